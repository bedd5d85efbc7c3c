"""The names under which each pattern of failure is told."""

ALARMS = {
    "prompt-regression": "RefundPromptRegression",
    "model-route-regression": "RefundModelRegression",
    "retrieval-poisoning": "RefundUnreviewedPolicy",
    "reranker-regression": "RefundGoldenEvalFailing",
    "tool-loop-runaway": "RefundToolLoop",
    "memory-contamination": "RefundMemorySwaysRulings",
    "guardrail-bypass": "RefundGuardrailPassedBy",
    "judge-drift": "RefundJudgeDrift",
    "cost-runaway": "RefundTokensRunaway",
    "latency-fallback-harm": "RefundFallbackHarms",
    "privacy-leak": "RefundDisclosesOthers",
}
"""The alarm of each pattern, the same here as in alerts.yaml."""

CLASSES = {"privacy-leak": "privacy"}
"""The class of incidents that an alarm of this pattern names; of the others none does."""
