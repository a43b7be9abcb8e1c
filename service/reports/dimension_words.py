"""What people call that by which figures are told apart and filtered."""

WORDS = {
    "plan": "Plan", "interval_charged": "Billing interval", "currency": "Currency",
    "section": "Section", "source": "First source", "last_source": "Last source",
    "campaign": "First campaign", "wall": "Wall", "audience": "Audience",
    "prompt": "Prompt", "offer": "Offer",
    "method": "Payment method", "country": "Card country", "decline": "Decline reason", "tries": "Failed attempts", "tenure": "Tenure",
    "meter": "Meter", "code": "Promotion code", "coupon": "Coupon",
    "cohort": "Month of the first payment",
}  # fmt: skip
