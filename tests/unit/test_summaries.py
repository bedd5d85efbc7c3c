"""What Temporal's own pages say of a workflow, which they read as Markdown."""

from workflows.messages import in_summary


def test_whoever_rings_makes_no_link_in_the_pages_of_temporal() -> None:
    assert in_summary("Refunds", "RefundPolicyViolated") == "Refunds: RefundPolicyViolated"
    assert in_summary("Refunds", "[log in](https://evil.example) <b>`x`") == (
        r"Refunds: \[log in\](https://evil.example) \<b\>\`x\`"
    )
