/** @jsxImportSource hono/jsx */
import { raw } from 'hono/html';
import type { Child, PropsWithChildren } from 'hono/jsx';
import type { Viewer } from './access.ts';
import { lineOf } from './text.tsx';

export interface Frame {
  title: string;
  /** Null before anybody has signed in. */
  viewer: Viewer | null;
  /** Token of forms of this session. */
  csrf: string;
  here: 'runs' | 'lessons' | 'trends' | null;
}

/** What every page has: skip link, landmarks, and our own two files. Nothing inline, so that the policy can forbid it. */
export function Page({ frame, children }: PropsWithChildren<{ frame: Frame }>) {
  return (
    <>
      {raw('<!DOCTYPE html>')}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <title>{`${lineOf(frame.title, 120)} · Millwright`}</title>
          <link rel="icon" href="/assets/mark.svg" type="image/svg+xml" />
          <link rel="stylesheet" href="/assets/dashboard.css" />
          <script type="module" src="/assets/dashboard.mjs"></script>
        </head>
        <body>
          <a class="skip" href="#main">
            Skip to the content
          </a>
          <header class="top">
            <div class="inner">
              <a class="brand" href="/">
                <img src="/assets/mark.svg" alt="" width="24" height="24" />
                Millwright
              </a>
              {frame.viewer ? <Navigation frame={frame} viewer={frame.viewer} /> : null}
            </div>
          </header>
          <main id="main" tabindex={-1}>
            {children}
          </main>
        </body>
      </html>
    </>
  );
}

function Navigation({ frame, viewer }: { frame: Frame; viewer: Viewer }) {
  const current = (name: Frame['here']) => (frame.here === name ? { 'aria-current': 'page' as const } : {});
  return (
    <>
      <nav aria-label="Main">
        <a href="/" {...current('runs')}>
          Runs
        </a>
        <a href="/lessons" {...current('lessons')}>
          Lessons
        </a>
        <a href="/trends" {...current('trends')}>
          Trends
        </a>
      </nav>
      <form class="who" method="post" action="/sign-out">
        <span>{lineOf(viewer.login, 60)}</span>
        <input type="hidden" name="csrf" value={frame.csrf} />
        <button type="submit" class="quiet">
          Sign out
        </button>
      </form>
    </>
  );
}

/** A page that says one thing. */
export function Notice({
  frame,
  heading,
  mark = false,
  children,
}: PropsWithChildren<{ frame: Frame; heading: string; mark?: boolean }>) {
  return (
    <Page frame={frame}>
      <section class="notice">
        {mark ? <img src="/assets/mark.svg" alt="" width="56" height="56" /> : null}
        <h1>{heading}</h1>
        {children}
      </section>
    </Page>
  );
}

/** A part of a page with its heading; `id` is where links lead. */
export function Part({
  id,
  heading,
  children,
  aside,
}: PropsWithChildren<{ id: string; heading: string; aside?: Child }>) {
  return (
    <section class="part" id={id} aria-labelledby={`${id}-heading`}>
      <div class="part-head">
        <h2 id={`${id}-heading`}>{heading}</h2>
        {aside ?? null}
      </div>
      {children}
    </section>
  );
}
