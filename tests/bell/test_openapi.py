"""Whatever Schemathesis makes of the gateway's OpenAPI document is answered; nothing of it is an error of ours."""


