"""What a browser sends of a form, as a page has it."""

from html.parser import HTMLParser


class Form(HTMLParser):
    """What a browser would send of the first form that is posted to an address, and has these values."""

    def __init__(self, page: str, action: str) -> None:
        super().__init__()
        self.sent: dict[str, list[str]] = {}
        self._is_inside, self._action = False, action
        self._named, self._select, self._options = "", "", list[tuple[str, bool]]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        name = found.get("name") or ""
        if tag == "form":
            action = (found.get("action") or "").partition("#")[0]
            is_sent = found.get("method") == "post" and not self.sent
            self._is_inside = is_sent and action == self._action
        elif not self._is_inside:
            return
        elif tag == "input" and (found.get("type") != "checkbox" or "checked" in found):
            self.sent.setdefault(name, []).append(found.get("value") or "")
        elif tag == "textarea":
            self._named = name
            self.sent.setdefault(name, []).append("")
        elif tag == "select":
            self._select, self._options = name, []
        elif tag == "option":
            self._options.append((found.get("value") or "", "selected" in found))

    def handle_data(self, data: str) -> None:
        if self._named:
            self.sent[self._named][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._named = ""
        elif tag == "select" and self._select:
            chosen = [value for value, selected in self._options if selected]
            self.sent.setdefault(self._select, []).append((chosen or [self._options[0][0]])[0])
            self._select = ""
        elif tag == "form":
            self._is_inside = False


def fields(page: str, action: str = "/admin/rules") -> dict[str, list[str]]:
    return Form(page, action).sent
