// Shows the free times on the clinic's own website. docs/embedding.md says how it is used.
(() => {
  const me = document.currentScript;
  const home = new URL(me.src).origin;
  const { service = "", button = "", language = "" } = me.dataset;
  const address = new URL(service ? `/services/${encodeURIComponent(service)}` : "/", home);
  if (language) address.searchParams.set("lang", language);
  if (button) {
    const link = Object.assign(document.createElement("a"), { href: address, textContent: button });
    link.className = "booking-button";
    return me.after(link);
  }
  const frame = document.createElement("iframe");
  address.searchParams.set("embed", 1);
  frame.src = address;
  frame.title = me.dataset.title || "Appointments";
  frame.loading = "lazy";
  frame.style.cssText = "width:100%;border:0;height:40rem";
  addEventListener("message", ({ source, origin, data }) => {
    if (source === frame.contentWindow && origin === home && data?.bookingHeight > 0)
      frame.style.height = `${Math.ceil(data.bookingHeight)}px`;
  });
  me.after(frame);
})();
