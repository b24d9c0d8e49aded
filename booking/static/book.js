// While the form is being filled in nobody else is offered its time; leaving frees it again.

const form = document.querySelector("[data-hold]");
if (form) {
  const only = (...names) => {
    const data = new FormData();
    for (const name of names) data.set(name, form.elements[name].value);
    return data;
  };
  let held = "";
  let sent = false;
  form.addEventListener("input", () => {
    const start = form.elements.start.value; // of several times the one that is chosen now
    if (held === start) return;
    held = start;
    fetch(form.dataset.hold, { method: "POST", body: only("csrf_token", "start", "practitioner") }).catch(() => {});
  });
  form.addEventListener("submit", () => (sent = true));
  addEventListener("pagehide", () => {
    if (held && !sent) navigator.sendBeacon(form.dataset.letGo, only("csrf_token"));
    held = "";
    sent = false;
  });
  // The same form in another language, with all that was typed.
  document.querySelector(".languages")?.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const again = new URL(form.action);
    again.searchParams.set("lang", link.lang);
    again.searchParams.set("again", "1");
    form.action = again;
    sent = true;
    form.submit();
  });
}
