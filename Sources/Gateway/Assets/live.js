// Keeps parts of a page fresh by server-sent events, and asks before what cannot be undone. Pages work without it.
for (const part of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(part.dataset.live);
  source.onmessage = (event) => {
    const fresh = new DOMParser().parseFromString(event.data, "text/html");
    part.replaceChildren(...fresh.body.childNodes);
  };
}
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});
