// Keeps a page fresh that asks for it (`data-live`): the same address again, and what is marked `data-fresh` in its place.
// Everything works without this script; then the page itself is loaded again.
(() => {
  const pause = Number(document.body.dataset.live || 0);
  if (!pause) return;
  const busy = (place) =>
    place.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  const again = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
        if (answer.status === 401) return location.reload();
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const place of document.querySelectorAll("[data-fresh]")) {
          const fresh = page.querySelector(`[data-fresh="${place.dataset.fresh}"]`);
          if (!fresh || busy(place) || fresh.innerHTML === place.innerHTML) continue;
          const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
          place.replaceChildren(...document.adoptNode(fresh).childNodes);
          if (focused) [...place.querySelectorAll("a")].find((each) => each.getAttribute("href") === focused)?.focus();
        }
        document.body.removeAttribute("data-stale");
        if (!page.body.dataset.live) return; // what was waited for is there
      } catch {
        document.body.setAttribute("data-stale", "");
      }
    }
    setTimeout(again, pause);
  };
  setTimeout(again, pause);
})();
