import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { smallPng } from './small-png.ts';

/** One picture: a page of our own making, or an address. */
export interface Shot {
  /** Name of the file, without its ending. */
  name: string;
  page: { html: string } | { url: string; cookie?: string };
  /** Width in CSS pixels; GitHub's conversation column is some 900 wide. */
  width?: number;
  /** Height at which a long page is cut; without it the whole page is shown. */
  maxHeight?: number;
  /** Shown by the README: `script/screenshots docs/images` takes only these, cut to a readable height. */
  inReadme?: boolean;
  dark?: boolean;
  /** Unfolds what is folded. */
  unfolded?: boolean;
}

/** Takes all pictures into the folder as PNG. Chromium is Debian's, or the one that `CHROMIUM` names. */
export async function photograph(shots: readonly Shot[], folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-dev-shm-usage'],
  });
  try {
    for (const { name, page: source, width = 960, maxHeight, dark = false, unfolded = false } of shots) {
      const page = await browser.newPage({ viewport: { width, height: 600 }, colorScheme: dark ? 'dark' : 'light' });
      if ('html' in source) await page.setContent(source.html);
      else {
        if (source.cookie) await page.setExtraHTTPHeaders({ cookie: source.cookie });
        await page.goto(source.url);
      }
      if (unfolded) {
        for (const fold of await page.locator('details').all())
          await fold.evaluate((it) => it.setAttribute('open', ''));
      }
      const whole = Math.ceil((await page.locator('html').boundingBox())?.height ?? 600);
      // The window is as high as the picture: Chromium gives up on far longer pages when asked for the whole.
      await page.setViewportSize({ width, height: Math.min(whole + 32, maxHeight ?? 8000) });
      await writeFile(join(folder, `${name}.png`), smallPng(await page.screenshot()));
      await page.close();
      console.log(join(folder, `${name}.png`));
    }
  } finally {
    await browser.close();
  }
}
