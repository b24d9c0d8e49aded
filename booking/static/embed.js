// Shows the free times on the clinic's own website. docs/embedding.md says how it is used.
(() => {
  const me = document.currentScript;
  const home = new URL(me.src).origin;
  const { service = "", button = "" } = me.dataset;
  const path = service ? `/services/${encodeURIComponent(service)}` : "/";
  if (button) {
    const link = Object.assign(document.createElement("a"), { href: home + path, textContent: button });
    link.className = "booking-button";
    return me.after(link);
  }
  const frame = document.createElement("iframe");
  frame.src = `${home}${path}?embed=1`;
  frame.title = me.dataset.title || "Appointments";
  frame.loading = "lazy";
  frame.style.cssText = "width:100%;border:0;height:40rem";
  addEventListener("message", ({ source, origin, data }) => {
    if (source === frame.contentWindow && origin === home && data?.bookingHeight > 0)
      frame.style.height = `${Math.ceil(data.bookingHeight)}px`;
  });
  me.after(frame);
})();
