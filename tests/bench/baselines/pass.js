// The three-line pass-through that Sage's proxy is measured against.
export default {
  fetch: (request, env) => { const url = new URL(request.url); return fetch(env.ORIGIN + url.pathname + url.search, request); },
};
