// Before the first paint, so that nothing flashes: light or dark where somebody has chosen, else as the browser likes.
if (localStorage.theme) document.documentElement.dataset.theme = localStorage.theme
