/**
 * Opens a metered article as the reader arrives, and sends forms that work once only once. The pages
 * work without it: whatever fails here leaves the form in place, which does the same by a POST.
 */
const WALLED = 402;

const story = document.getElementById("story");
if (story && "reads" in story.dataset) arrival(document).then(() => open(story));

// A double click would use a link or code up, and drop the answer that signs the browser in.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("once" in form.dataset)) return;
  if (form.getAttribute("aria-busy") === "true") event.preventDefault();
  form.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) for (const form of document.forms) form.removeAttribute("aria-busy");
});

/** Resolves when the page is really looked at: not prerendered, not in a background tab. */
async function arrival(page) {
  if (page.prerendering) await once(page, "prerenderingchange");
  while (page.visibilityState !== "visible") await once(page, "visibilitychange");
}

function once(target, event) {
  return new Promise((resolve) => target.addEventListener(event, resolve, { once: true }));
}

/** Reads the article by its form, and shows what the answer has: the text, or a wall. */
async function open(story) {
  const form = story.querySelector("form");
  form.addEventListener("submit", () => form.setAttribute("aria-busy", "true"));
  let page;
  try {
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.action, { method: "POST", body });
    if (!answer.ok && answer.status !== WALLED) return;
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return;
  }
  // A reader who has sent the form meanwhile gets the page it answers.
  if (form.getAttribute("aria-busy") === "true") return;
  const hadFocus = form.contains(document.activeElement);
  const line = document.getElementById("access-line");
  if (line) line.textContent = page.getElementById("access-line")?.textContent ?? "";
  story.replaceWith(page.getElementById("story"));
  if (hadFocus) document.getElementById("story").focus({ preventScroll: true });
}
