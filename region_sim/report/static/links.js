// Links between the parts of the page: from a finding to its account's story and its messages.
document.querySelectorAll("[data-at]").forEach((link) => {
  link.addEventListener("click", () => goTo(Number(link.dataset.at)));
});

function openTarget() {
  const target = location.hash.startsWith("#story-") && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target) target.open = true;
}
window.addEventListener("hashchange", openTarget);
document.querySelectorAll("[data-story]").forEach((link) => link.addEventListener("click", () => {
  document.getElementById("story-" + link.dataset.story).open = true;
}));
openTarget();
document.documentElement.dataset.ready = "yes";
