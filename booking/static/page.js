// Small comforts. Every page is complete without them.

// "Exit this page" leaves nothing to go back to; pressing Shift three times does the same.
const exit = document.querySelector("[data-exit]");
if (exit) {
  const leave = (event) => {
    event?.preventDefault();
    document.body.hidden = true;
    window.location.replace(exit.href);
  };
  exit.addEventListener("click", leave);
  let presses = [];
  document.addEventListener("keyup", (event) => {
    if (event.key !== "Shift") {
      presses = [];
      return;
    }
    presses = [...presses, event.timeStamp].filter((at) => event.timeStamp - at < 3000);
    if (presses.length === 3) leave();
  });
}

// A second press while the first is under way does nothing.
for (const form of document.querySelectorAll("form[data-once]")) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  window.addEventListener("pageshow", () => (sent = false));
}

// In the frame of another website the frame is made as high as the page; nothing else is told.
if (parent !== window && document.body.dataset.embed) {
  const tell = () => parent.postMessage({ bookingHeight: document.body.scrollHeight }, "*");
  new ResizeObserver(tell).observe(document.body);
}

// What went wrong is read out first; a link in it leads to the whole field, its name and fault included.
const fault = document.querySelector("[data-focus]");
fault?.focus();
fault?.addEventListener("click", (event) => {
  const id = event.target.closest("a[href^='#']")?.hash.slice(1);
  const found = id && document.getElementById(id);
  const field = found && found.closest(".field");
  if (!field) return;
  event.preventDefault();
  field.scrollIntoView();
  (found === field ? field.querySelector("input") : found).focus({ preventScroll: true });
});
