// The pages' list on a narrow screen: the button shows it, Escape and a click elsewhere put it away.

const button = document.getElementById("menu");
const list = document.getElementById("all-pages");

function set(open) {
  button.setAttribute("aria-expanded", open);
  list.classList.toggle("open", open);
}

button.addEventListener("click", () => set(button.getAttribute("aria-expanded") !== "true"));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !list.classList.contains("open")) return;
  set(false);
  button.focus();
});
document.addEventListener("click", (event) => { if (!event.target.closest("#menu, #all-pages")) set(false); });
