/* Before anything is painted: the theme that was chosen here, if any. Runs as a plain script. */
try {
    const theme = localStorage.getItem('theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch { /* no storage: the system's theme */ }
