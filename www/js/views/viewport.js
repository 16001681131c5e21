// Some phones lay the keyboard over the page instead of making it smaller, and the composer
// would lie beneath. The visible part is then the page's height.

export function followKeyboard(root = document.documentElement) {
  const { visualViewport } = window;
  if (!visualViewport) return;
  visualViewport.addEventListener('resize', () => {
    // Zooming in shrinks the visible part too, and is no keyboard.
    const covered = visualViewport.scale === 1 && visualViewport.height < window.innerHeight - 1;
    if (covered) root.style.setProperty('--viewport-height', `${visualViewport.height}px`);
    else root.style.removeProperty('--viewport-height');
    window.scrollTo(0, 0);
  });
}
