/* A plain status page: every number on it comes from the API, by the same routes anybody may ask.
 */
#include "services/inode-scheduler/api.h"

static const char page[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>adit: pool status</title>\n<style>\n"
    ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}\n"
    "body{max-width:60rem;margin:2rem auto;padding:0 1rem}\n"
    "h1{font-size:1.3rem}h2{font-size:1.05rem;margin-top:2rem}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #8884;\n"
    "vertical-align:top;overflow-wrap:anywhere}\n"
    "code{font-size:.85rem}\n</style></head><body>\n"
    "<main><h1>adit: pool status</h1>\n"
    "<p id=\"state\" aria-live=\"polite\">asking the pool</p>\n"
    "<table><caption hidden>numbers</caption><tbody id=\"numbers\"></tbody></table>\n"
    "<h2>Components</h2><table><thead><tr><th>component</th><th>status</th><th>instances</th>"
    "<th>last error</th></tr></thead><tbody id=\"components\"></tbody></table>\n"
    "<h2>Blocks</h2><table><thead><tr><th>height</th><th>state</th><th>confirmations</th>"
    "<th>reward</th><th>hash</th></tr></thead><tbody id=\"blocks\"></tbody></table>\n"
    "<noscript>This page reads <code>/api/v1/pool/status</code> by script; the API answers "
    "without.</noscript></main>\n<script>\n"
    "const el=id=>document.getElementById(id);\n"
    "function rows(id,list){const body=el(id);body.replaceChildren(...list.map(cells=>{\n"
    "const row=document.createElement('tr');cells.forEach((text,i)=>{\n"
    "const cell=document.createElement(id==='numbers'&&i===0?'th':'td');\n"
    "cell.textContent=text;row.append(cell)});return row}))}\n"
    "const rate=v=>{const u=['','k','M','G','T','P','E'];let i=0;\n"
    "while(v>=1000&&i<6){v/=1000;i++}return v.toFixed(i?2:0)+' '+u[i]+'H/s'};\n"
    "const get=async path=>{const r=await fetch(path);if(!r.ok)throw new Error(r.status);\n"
    "return r.json()};\n"
    "async function look(){try{\n"
    "const [s,t,b]=await Promise.all(['/api/v1/pool/status','/api/v1/pool/statistics',\n"
    "'/api/v1/blocks?limit=20'].map(get));\n"
    "el('state').textContent=s.status+(s.reason?': '+s.reason:'');\n"
    "rows('numbers',[['hashrate, 10 min',rate(t.total_hashrate)],\n"
    "['connected miners',s.connected_miners],['active workers',t.active_miners],\n"
    "['shares accepted of all',s.valid_shares+' of '+s.total_shares],\n"
    "['shares per second',t.shares_per_second.toFixed(2)],['blocks found',t.blocks_found],\n"
    "['owed to miners',s.solvency?s.solvency.owed+' (wallet '+s.solvency.wallet+')':'?'],\n"
    "['chain height',t.network.height+' ('+t.network.profile+')']]);\n"
    "rows('components',Object.entries(s.component_health).map(([n,c])=>\n"
    "[n,c.status,c.instances.length,c.last_error]));\n"
    "rows('blocks',b.blocks.map(x=>[x.height,x.state,x.confirmations,x.reward,x.hash]));\n"
    "}catch(e){el('state').textContent='the pool does not answer ('+e.message+')'}}\n"
    "look();setInterval(look,3000);\n</script></body></html>\n";

void api_page(void *context, struct http_exchange *exchange)
{
    (void)context;
    http_add_header(exchange, "content-security-policy",
                    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                    "connect-src 'self'; base-uri 'none'; form-action 'none'; "
                    "frame-ancestors 'none'");
    http_add_header(exchange, "x-content-type-options", "nosniff");
    http_reply(exchange, 200, "text/html; charset=utf-8", span_text(page));
}
