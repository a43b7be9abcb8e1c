"""What people call that by which figures are told apart and filtered."""

WORDS = {
    "plan": "Plan", "interval_charged": "Billing interval", "currency": "Currency",
    "section": "Section", "source": "First source", "last_source": "Last source",
    "campaign": "First campaign", "wall": "Wall", "audience": "Reader, to prompts",
    "prompt": "Prompt", "offer": "Offer",
    "method": "Paid with", "country": "Country of the card", "decline": "Decline", "tries": "Failed tries", "tenure": "Tenure",
    "meter": "Meter", "code": "Promotion code", "coupon": "Coupon",
}  # fmt: skip
