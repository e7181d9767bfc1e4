// Runs before anything is shown, so that a remembered theme never flashes.
document.documentElement.dataset.theme = localStorage.getItem("tidegauge.theme") ?? "system";
