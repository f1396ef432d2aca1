// What `python -m proof.pages` asks of a page that is shown. The value is an object of functions.
({
  // What the page is built of: every element with its classes and the names of its attributes.
  structure() {
    return [...document.querySelectorAll('*')].map(e => [
      e.namespaceURI, e.localName, e.getAttribute('class') || '',
      ...[...e.attributes].map(a => a.name).sort(),
    ].join(' ')).join('\n');
  },

  // What no page of ours may hold, because it runs, loads or leads out of the page.
  forbidden() {
    const never = 'script,iframe,object,embed,img,link,base,form,input,button,template,audio,' +
      'video,foreignObject,use,image,animate,set,[src],[style],[srcset],[action]';
    const leading = [...document.querySelectorAll('[href]')]
      .filter(e => !e.getAttribute('href').startsWith('#'));
    const listening = [...document.querySelectorAll('*')]
      .filter(e => [...e.attributes].some(a => a.name.startsWith('on')));
    return [...document.querySelectorAll(never), ...leading, ...listening]
      .map(e => e.outerHTML.slice(0, 80));
  },

  // The least contrast of the text in each kind of element, by the formula of WCAG 2.2.
  contrast() {
    const parse = colour => {
      const parts = colour.match(/[\d.]+/g).map(Number);
      return parts.length < 4 ? [...parts, 1] : parts;
    };
    const linear = value => {
      value /= 255;
      return value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
    };
    const luminance = c => .2126 * linear(c[0]) + .7152 * linear(c[1]) + .0722 * linear(c[2]);
    const ground = e => {
      for (; e; e = e.parentElement) {
        const colour = parse(getComputedStyle(e).backgroundColor);
        if (colour[3] === 1) return colour;
        if (colour[3] > 0) throw new Error('a background that is half transparent');
      }
      return [255, 255, 255, 1];
    };
    const found = {};
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = texts.nextNode());) {
      const e = node.parentElement;
      if (!node.data.trim() || e.closest('svg') || !e.getClientRects().length) continue;
      const [dark, light] = [e, null].map((here, i) =>
        luminance(i ? ground(e) : parse(getComputedStyle(e).color))).sort((a, b) => a - b);
      const name = `${e.localName}.${e.className}`;
      found[name] = Math.min(found[name] ?? 21, (light + .05) / (dark + .05));
    }
    return found;
  },

  // What would shut out somebody who listens to the page or walks through it by its headings.
  barriers() {
    const wrong = [];
    const all = selector => [...document.querySelectorAll(selector)];
    if (!document.documentElement.lang) wrong.push('no language');
    if (all('h1').length !== 1) wrong.push('not one h1');
    if (all('main').length !== 1) wrong.push('not one main');
    let level = 0;
    for (const heading of all('h1,h2,h3,h4,h5,h6')) {
      const here = Number(heading.localName[1]);
      if (here > level + 1) wrong.push(`an h${here} after an h${level}`);
      level = here;
    }
    for (const drawing of all('svg')) {
      const hidden = drawing.getAttribute('aria-hidden') === 'true';
      const named = drawing.getAttribute('role') === 'img' &&
        drawing.querySelector('title')?.textContent;
      if (!hidden && !named) wrong.push('a drawing without words');
    }
    if (all('th:not([scope])').length) wrong.push('a heading of a table without scope');
    if (all('table').some(t => !t.caption)) wrong.push('a table without a caption');
    const ids = all('[id]').map(e => e.id);
    if (new Set(ids).size !== ids.length) wrong.push('an id twice');
    for (const e of all('[aria-labelledby]'))
      if (!document.getElementById(e.getAttribute('aria-labelledby'))) wrong.push('a lost label');
    for (const e of all('a[href]'))
      if (!document.getElementById(e.getAttribute('href').slice(1))) wrong.push('a dead link');
    return wrong;
  },

  // How many parts that can be opened do not show what is in them. A whole document is not put on
  // paper: it would bury what changes.
  shut() {
    return [...document.querySelectorAll('details:not(.document)')]
      .filter(d => !d.parentElement.closest('details'))
      .filter(d => [...d.children].some(child => !child.matches('summary, .document') &&
        !child.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true }))).length;
  },

  // Open or close everything that can be opened; how many there are.
  set(open) {
    const parts = [...document.querySelectorAll('details')];
    parts.forEach(part => { part.open = open; });
    return parts.length;
  },

  opened() {
    return document.querySelectorAll('details[open]').length;
  },

  // Everything that the keyboard has to reach while all that can be opened is closed.
  stops() {
    return [...document.querySelectorAll('a[href],summary,[tabindex]')]
      .filter(e => e.checkVisibility({ contentVisibilityAuto: true })).length;
  },

  focused() {
    return document.activeElement !== document.body;
  },

  onSummary() {
    return document.activeElement.localName === 'summary';
  },

  excess() {
    return document.documentElement.scrollWidth - innerWidth;
  },

  ran() {
    return document.documentElement.dataset.ran === '1';
  },
})
