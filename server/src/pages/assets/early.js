// Before the first paint: the theme that was chosen on the account page, so that no other one flashes. Not a module,
// because modules wait until the document has been read.

try {
  const theme = JSON.parse(localStorage.getItem("troupe.theme"));
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden: the system's theme.
}
