"""A canary: text that stands behind the cut only, and must be found on no public surface."""

import secrets
from dataclasses import dataclass, field

from service.content.schemas import ArticleIn


@dataclass(frozen=True)
class Canary:
    """Words that occur nowhere else: one for what is public, one for what is paid."""

    public: str = field(default_factory=lambda: f"linnet{secrets.token_hex(8)}")
    paid: str = field(default_factory=lambda: f"canary{secrets.token_hex(8)}")

    def body(self, mark: str = "<!--more-->") -> str:
        """HTML with the paid word in every kind of block behind the mark, and in attributes."""
        paid = self.paid
        return (
            f"<p>Before the cut: {self.public}.</p>{mark}"
            f"<h2>{paid}</h2><p title='{paid}'>Text {paid} <em>{paid}</em></p>"
            f"<ul><li>{paid}</li></ul><blockquote><p>{paid}</p></blockquote>"
            f"<figure><img src='/{paid}.jpg' alt='{paid}'><figcaption>{paid}</figcaption></figure>"
            f"<table><tr><td>{paid}</td></tr></table><pre>{paid}</pre>{paid}"
        )

    def article(self, **fields: object) -> ArticleIn:
        """An article that holds both words; `fields` of ArticleIn go over the usual ones."""
        usual = {"title": "The ferry", "standfirst": "A boat is late.", "body": self.body()}
        return ArticleIn.model_validate({**usual, **fields})

    def assert_absent(self, *surfaces: str | bytes) -> None:
        """Fail if the paid word stands in any of the surfaces."""
        for surface in surfaces:
            text = surface if isinstance(surface, str) else surface.decode()
            assert self.paid not in text
