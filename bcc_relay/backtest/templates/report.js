"use strict";
for (const trial of document.querySelectorAll("[data-trial]")) {
  const slider = trial.querySelector(".slider");
  const input = slider.querySelector("input");
  const output = slider.querySelector("output");
  const value = slider.querySelector("b");
  const rows = trial.querySelectorAll("tbody tr");
  const show = () => {
    const row = rows[input.value];
    value.textContent = row.dataset.threshold;
    output.textContent = row.dataset.said;
    input.setAttribute("aria-valuetext", row.dataset.threshold + " people");
  };
  slider.hidden = false;
  trial.querySelector("details").open = false;
  input.addEventListener("input", show);
  show();
}
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details")) one.open = true;
});
