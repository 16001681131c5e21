// A theme other than the system's, before anything is painted, and whenever one is chosen.
{
  const choose = () => {
    let theme;
    try {
      ({ theme } = JSON.parse(localStorage['veche.settings']));
    } catch {
      // None is.
    }
    document.documentElement.dataset.theme = theme;
    for (const meta of document.querySelectorAll('[data-scheme]')) {
      const { scheme } = meta.dataset;
      meta.media = theme ? (theme === scheme ? '' : 'not all') : `(prefers-color-scheme: ${scheme})`;
    }
  };
  addEventListener('storage', choose);
  choose();
}
