/*
 * xload - a small single-threaded XMPP load generator for Linux.
 *
 * One epoll loop, non-blocking sockets, no XML library: a byte scanner finds
 * stanza boundaries, so that the generator costs little next to the server it
 * measures.  Everything that is received is validated (exact count, per-pair
 * order, body length); any deviation ends the run with "ok":false and exit 1.
 *
 * Prints one JSON line on stdout.  main() has the options.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------- options -- */

enum scen { SC_LOGIN, SC_IDLE, SC_CHAT, SC_MUC, SC_PRES, SC_IQ, SC_DEV, SC_REG };
static const char *SCN[] = { "login", "idle", "chat", "muc", "presence", "iq", "devices", "register" };
enum { TLS_NONE, TLS_START, TLS_DIRECT };
enum { TO_FULL, TO_BARE };

static struct {
    const char *host, *domain, *prefix, *password, *muc, *label, *mech, *pids, *keys;
    int port, port2, first, n, window, body, tls, conc, src, to, presence, roster, session, raw, rawlen, sm, shuffle;
    int ports[16], n_ports;
    double duration, warmup, settle, timeout, rate;
    enum scen sc;
    int verbose;
} o = { .host = "127.0.0.1", .domain = "localhost", .prefix = "u", .password = "pw", .muc = NULL,
        .label = "", .mech = "PLAIN", .pids = "", .keys = NULL, .port = 5222, .port2 = 0, .first = 0, .n = 200,
        .window = 1, .body = 100, .tls = TLS_NONE, .conc = 32, .src = 8, .to = TO_FULL, .presence = 1,
        .roster = 0, .session = -1, .raw = 0, .rawlen = 200, .duration = 8, .warmup = 2, .settle = 5,
        .timeout = 180, .rate = 0, .sc = SC_CHAT };

/* --------------------------------------------------------------- state -- */

enum st { S_NEW, S_CONNECTING, S_TLS, S_STREAM1, S_PROCEED, S_AUTH, S_AUTH2, S_STREAM2, S_BIND,
          S_SESSION, S_ROSTER, S_ENABLE, S_REG, S_READY, S_CLOSING, S_CLOSED };

typedef struct conn {
    int fd, idx;
    uint8_t st, after_auth, in_stream, want_out, dirty, joined, over_tls, raw_hello;
    SSL *ssl;
    char *ibuf; size_t ilen, icap;
    char *obuf; size_t olen, ooff, ocap;
    uint64_t tx, rx;
    uint64_t *ts;
    uint32_t sm_in, sm_told, sm_out, sm_acked;    /* stream management: taken in, acknowledged, sent, acknowledged by the server */
    char *jid;
    char *tpl; size_t tpl_len, tpl_id, tpl_seq;
    uint64_t t_start;
    char *scram_bare; unsigned char scram_sig[64]; unsigned scram_siglen;
} conn;

static conn *C;
static int ep;
static uint64_t now_ns;
static SSL_CTX *ctx;
static conn **dirty; static int ndirty;
static int n_started, n_inflight, n_ready, n_closed, n_joined;
enum ph { P_LOGIN, P_SETUP, P_WARM, P_MEAS, P_DRAIN, P_CLOSE };
static enum ph phase;
static uint64_t t_begin, t_phase, t_m0, t_m1, t_half;
static uint64_t cnt, total_tx, total_rx, iq_ooo, msgs_done, reads, bytes_in;
static bool sending;

static uint64_t nsnow(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec; }

static void die(const char *f, ...) {
    va_list a; char b[1500]; va_start(a, f); vsnprintf(b, sizeof b, f, a); va_end(a);
    for (char *p = b; *p; p++) if (*p == '"' || *p == '\\' || (unsigned char)*p < 32) *p = '\'';
    printf("{\"ok\":false,\"label\":\"%s\",\"scenario\":\"%s\",\"error\":\"%s\"}\n", o.label, SCN[o.sc], b);
    fflush(stdout); fprintf(stderr, "xload: FAIL: %s\n", b); exit(1);
}

/* ----------------------------------------------------------- histogram -- */

#define HB 2048
static uint64_t hist[HB], hist_n, hist_max;
static int hidx(uint64_t us) {
    if (us < 128) return (int)us;
    int e = 63 - __builtin_clzll(us);
    int i = 128 + (e - 7) * 64 + (int)((us >> (e - 6)) & 63);
    return i < HB ? i : HB - 1;
}
static double hval(int i) {
    if (i < 128) return i;
    int e = (i - 128) / 64 + 7, s = (i - 128) % 64;
    return (double)((64ull + s) << (e - 6)) + (double)(1ull << (e - 6)) / 2;
}
static void hadd(uint64_t ns) { uint64_t us = ns / 1000; hist[hidx(us)]++; hist_n++; if (us > hist_max) hist_max = us; }
static double hpct(double p) {
    uint64_t want = (uint64_t)(hist_n * p), s = 0;
    for (int i = 0; i < HB; i++) { s += hist[i]; if (s > want) return hval(i); }
    return (double)hist_max;
}

/* --------------------------------------------- CPU and memory of server -- */

typedef struct { double user, sys, root[64]; uint64_t rss_kb, pss_kb; int procs; } usage;
static int root_pid[64], n_root;

/* seconds of all threads of one process, to the nanosecond where /proc/PID/stat counts in ticks */
static double threads_cpu(int pid) {
    char path[300]; snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = opendir(path); struct dirent *e; double sum = 0;
    if (!d) return 0;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, e->d_name);
        FILE *f = fopen(path, "r"); unsigned long long ns;
        if (f) { if (fscanf(f, "%llu", &ns) == 1) sum += ns / 1e9; fclose(f); }
    }
    closedir(d); return sum;
}

static usage sample(bool mem) {
    usage u = { 0 };
    if (!n_root) return u;
    for (int k = 0; k < n_root; k++) u.root[k] = threads_cpu(root_pid[k]);
    static struct { int pid, ppid; uint64_t ut, st; } P[16384];
    int np = 0;
    DIR *d = opendir("/proc"); struct dirent *e;
    if (!d) return u;
    while ((e = readdir(d)) && np < 16384) {
        if (e->d_name[0] < '0' || e->d_name[0] > '9') continue;
        char path[300], b[1024]; snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC); if (fd < 0) continue;
        ssize_t r = read(fd, b, sizeof b - 1); close(fd); if (r <= 0) continue;
        b[r] = 0; char *p = strrchr(b, ')'); if (!p) continue;
        char state; int ppid; unsigned long ut, st;
        if (sscanf(p + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state, &ppid, &ut, &st) != 4) continue;
        P[np].pid = atoi(e->d_name); P[np].ppid = ppid; P[np].ut = ut; P[np].st = st; np++;
    }
    closedir(d);
    double hz = (double)sysconf(_SC_CLK_TCK);
    int roots_seen = 0;
    for (int i = 0; i < np; i++) {
        int q = P[i].pid; bool in = false;
        for (int hop = 0; hop < 32 && q > 1; hop++) {
            for (int k = 0; k < n_root; k++) if (root_pid[k] == q) in = true;
            if (in) break;
            int up = 0; for (int j = 0; j < np; j++) if (P[j].pid == q) { up = P[j].ppid; break; }
            q = up;
        }
        if (!in) continue;
        for (int k = 0; k < n_root; k++) if (root_pid[k] == P[i].pid) roots_seen++;
        u.procs++; u.user += P[i].ut / hz; u.sys += P[i].st / hz;
        if (mem) {
            char path[64], line[256]; snprintf(path, sizeof path, "/proc/%d/smaps_rollup", P[i].pid);
            FILE *f = fopen(path, "r"); unsigned long v;
            if (f) { while (fgets(line, sizeof line, f)) { if (sscanf(line, "Rss: %lu", &v) == 1) u.rss_kb += v; else if (sscanf(line, "Pss: %lu", &v) == 1) u.pss_kb += v; } fclose(f); }
        }
    }
    if (roots_seen != n_root) die("server process gone (%d of %d --pid found)", roots_seen, n_root);
    return u;
}

static usage u0, u1, m0;
static struct rusage r0, r1;

/* -------------------------------------------------------------- output -- */

static void mark(conn *c) { if (!c->dirty) { c->dirty = 1; dirty[ndirty++] = c; } }

static char *room_for(conn *c, size_t n) {
    if (c->olen + n > c->ocap) {
        if (c->ooff) { memmove(c->obuf, c->obuf + c->ooff, c->olen - c->ooff); c->olen -= c->ooff; c->ooff = 0; }
        if (c->olen + n > c->ocap) { size_t k = c->ocap ? c->ocap : 512; while (k < c->olen + n) k *= 2; c->obuf = realloc(c->obuf, k); c->ocap = k; if (!c->obuf) die("out of memory"); }
    }
    mark(c);
    return c->obuf + c->olen;
}
static void put(conn *c, const char *s, size_t n) { memcpy(room_for(c, n), s, n); c->olen += n; }
static void putf(conn *c, const char *f, ...) {
    char b[4096]; va_list a; va_start(a, f); int n = vsnprintf(b, sizeof b, f, a); va_end(a);
    if (n >= (int)sizeof b) die("putf overflow");
    put(c, b, n);
}
static void ev(conn *c, uint32_t m, int op) { struct epoll_event e = { .events = m, .data.ptr = c }; if (epoll_ctl(ep, op, c->fd, &e) < 0) die("epoll_ctl: %s", strerror(errno)); }
static void set_out(conn *c, bool on) { if (c->want_out != on) { c->want_out = on; ev(c, EPOLLIN | (on ? EPOLLOUT : 0), EPOLL_CTL_MOD); } }

static void flush(conn *c) {
    if (c->st == S_CONNECTING || c->st == S_TLS || c->st == S_CLOSED || c->st == S_NEW) return;
    while (c->ooff < c->olen) {
        ssize_t w;
        if (c->ssl && c->over_tls) {
            w = SSL_write(c->ssl, c->obuf + c->ooff, (int)(c->olen - c->ooff));
            if (w <= 0) { int e = SSL_get_error(c->ssl, (int)w); if (e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ) { set_out(c, e == SSL_ERROR_WANT_WRITE); return; } die("conn %d: SSL_write error %d", c->idx, e); }
        } else {
            w = send(c->fd, c->obuf + c->ooff, c->olen - c->ooff, MSG_NOSIGNAL);
            if (w < 0) { if (errno == EAGAIN) { set_out(c, true); return; } if (c->st == S_CLOSING) { c->ooff = c->olen = 0; return; } die("conn %d: send: %s", c->idx, strerror(errno)); }
        }
        c->ooff += w;
    }
    c->ooff = c->olen = 0; set_out(c, false);
    if (o.sc == SC_IDLE && c->st == S_READY) { free(c->obuf); c->obuf = NULL; c->ocap = 0; }
}

/* ------------------------------------------------------------- helpers -- */

static bool has(const char *p, size_t n, const char *s) { return memmem(p, n, s, strlen(s)) != NULL; }
static bool starts(const char *p, size_t n, const char *s) { size_t l = strlen(s); return n >= l && !memcmp(p, s, l); }

/* attribute of the first tag; accepts either quote */
static bool attr(const char *p, size_t n, const char *name, const char **v, size_t *vn) {
    size_t l = strlen(name); const char *e = p + n, *q = p + 1;
    while (q < e && *q != ' ' && *q != '>' && *q != '/' && *q != '\n') q++;
    while (q < e && *q != '>') {
        while (q < e && (*q == ' ' || *q == '\n' || *q == '\t')) q++;
        if (q >= e || *q == '>' || *q == '/') return false;
        const char *a = q; while (q < e && *q != '=') q++;
        size_t al = q - a; q++; if (q >= e) return false;
        char t = *q++; const char *b = q; q = memchr(q, t, e - q); if (!q) return false;
        if (al == l && !memcmp(a, name, l)) { *v = b; *vn = q - b; return true; }
        q++;
    }
    return false;
}
static bool attr_is(const char *p, size_t n, const char *name, const char *want) {
    const char *v; size_t vn; return attr(p, n, name, &v, &vn) && vn == strlen(want) && !memcmp(v, want, vn);
}
static size_t b64(const unsigned char *in, size_t n, char *out) { return EVP_EncodeBlock((unsigned char *)out, in, (int)n); }
static size_t unb64(const char *in, size_t n, unsigned char *out) {
    int r = EVP_DecodeBlock(out, (const unsigned char *)in, (int)n); if (r < 0) die("bad base64 from server");
    while (n && in[n - 1] == '=') { r--; n--; }
    return r;
}
/* all but the first connection of `devices` are devices of the second account */
static int account(conn *c) { return o.first + (o.sc == SC_DEV && c->idx ? 1 : c->idx); }
static void user(conn *c, char *b, size_t n) { snprintf(b, n, "%s%d", o.prefix, account(c)); }

static void digits(char *p, uint64_t v) { for (int i = 9; i >= 0; i--) { p[i] = '0' + v % 10; v /= 10; } }
static uint64_t undigits(const char *p) { uint64_t v = 0; for (int i = 0; i < 10; i++) { if (p[i] < '0' || p[i] > '9') return UINT64_MAX; v = v * 10 + (p[i] - '0'); } return v; }

/* -------------------------------------------------------- login machine -- */

static void stream_open(conn *c) {
    c->in_stream = 0;
    putf(c, "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", o.domain);
}

static void start_tls(conn *c) {
    c->ssl = SSL_new(ctx); SSL_set_fd(c->ssl, c->fd); SSL_set_tlsext_host_name(c->ssl, o.domain); SSL_set_connect_state(c->ssl); c->st = S_TLS;
}

static void ready(conn *c) {
    c->st = S_READY; n_inflight--; n_ready++; hadd(now_ns - c->t_start);
}
static void sm_sent(conn *c) {            /* one stanza went out: ask every so often */
    if (o.sm && ++c->sm_out % (uint32_t)o.sm == 0) put(c, "<r xmlns='urn:xmpp:sm:3'/>", 26);
}
static void sm_answer(conn *c) { putf(c, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", c->sm_in); c->sm_told = c->sm_in; }
static void enabled(conn *c) {
    if (o.presence) { put(c, "<presence/>", 11); sm_sent(c); }
    ready(c);
}
static void after_roster(conn *c) {
    if (o.sm) { c->st = S_ENABLE; putf(c, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"); }
    else enabled(c);
}
static void after_session(conn *c) {
    if (o.roster) { c->st = S_ROSTER; putf(c, "<iq type='get' id='ros1'><query xmlns='jabber:iq:roster'/></iq>"); }
    else after_roster(c);
}

static const EVP_MD *scram_md(void) { return !strcmp(o.mech, "SCRAM-SHA-256") ? EVP_sha256() : EVP_sha1(); }

static void send_auth(conn *c) {
    char u[128]; user(c, u, sizeof u);
    if (!strcmp(o.mech, "PLAIN")) {
        unsigned char raw[512]; size_t n = 0; raw[n++] = 0; memcpy(raw + n, u, strlen(u)); n += strlen(u); raw[n++] = 0;
        memcpy(raw + n, o.password, strlen(o.password)); n += strlen(o.password);
        char e[1024]; b64(raw, n, e);
        putf(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", e);
    } else {
        char bare[256], first[300], e[600];
        snprintf(bare, sizeof bare, "n=%s,r=%08x%016llx", u, c->idx, (unsigned long long)nsnow());
        c->scram_bare = strdup(bare); snprintf(first, sizeof first, "n,,%s", bare); b64((unsigned char *)first, strlen(first), e);
        putf(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%s'>%s</auth>", o.mech, e);
    }
    c->st = S_AUTH;
}

/*
 * Salted passwords by account, kept from run to run in the file --keys as clients may keep them (RFC 5802 section 3): deriving one
 * costs this one thread more than all the rest of a login, so that a server would be asked one login at a time, whatever
 * --concurrency says.  A file is for one server and one --password.
 */
typedef struct { int hl, sl, iter; unsigned char salt[64], sp[64]; } scram_key;
static scram_key *keys; static int n_keys;

static scram_key *key_of(int acc) {
    if (acc >= n_keys) {
        keys = realloc(keys, (acc + 1) * sizeof *keys);
        memset(keys + n_keys, 0, (acc + 1 - n_keys) * sizeof *keys); n_keys = acc + 1;
    }
    return &keys[acc];
}

static void load_keys(void) {
    FILE *f = o.keys ? fopen(o.keys, "rb") : NULL; if (!f) return;
    scram_key k;
    while (fread(&k, sizeof k, 1, f) == 1) *key_of(n_keys) = k;
    fclose(f);
}

static void save_keys(void) {
    FILE *f = o.keys && n_keys ? fopen(o.keys, "wb") : NULL; if (!f) return;
    fwrite(keys, sizeof *keys, n_keys, f);
    fclose(f);
}

static void salted_password(int acc, const unsigned char *salt, int sl, int iter, unsigned char *sp) {
    const EVP_MD *md = scram_md(); int hl = EVP_MD_size(md);
    scram_key *k = key_of(acc);
    if (k->hl != hl || k->iter != iter || k->sl != sl || memcmp(k->salt, salt, sl)) {
        if (sl > (int)sizeof k->salt) die("a salt of %d bytes", sl);
        PKCS5_PBKDF2_HMAC(o.password, (int)strlen(o.password), salt, sl, iter, md, hl, k->sp);
        k->hl = hl; k->iter = iter; k->sl = sl; memcpy(k->salt, salt, sl);
    }
    memcpy(sp, k->sp, hl);
}

static void scram_challenge(conn *c, const char *p, size_t n) {
    const char *b = memchr(p, '>', n); if (!b) die("challenge?"); b++;
    const char *e = memchr(b, '<', p + n - b); if (!e) die("challenge?");
    unsigned char ch[1024]; size_t cl = unb64(b, e - b, ch); ch[cl] = 0;
    char *r = strstr((char *)ch, "r="), *s = strstr((char *)ch, ",s="), *i = strstr((char *)ch, ",i=");
    if (!r || !s || !i) die("bad SCRAM challenge");
    unsigned char salt[256]; size_t sl = unb64(s + 3, i - s - 3, salt); int iter = atoi(i + 3);
    const EVP_MD *md = scram_md(); unsigned hl = EVP_MD_size(md), l;
    unsigned char sp[64], ck[64], sk[64], sig[64], proof[64], srvkey[64];
    salted_password(account(c), salt, (int)sl, iter, sp);
    HMAC(md, sp, hl, (const unsigned char *)"Client Key", 10, ck, &l); EVP_Digest(ck, hl, sk, &l, md, NULL);
    char wo[600]; snprintf(wo, sizeof wo, "c=biws,r=%.*s", (int)(s - r - 2), r + 2);
    char am[2048]; snprintf(am, sizeof am, "%s,%s,%s", c->scram_bare, (char *)ch, wo);
    HMAC(md, sk, hl, (unsigned char *)am, strlen(am), sig, &l);
    for (unsigned k = 0; k < hl; k++) proof[k] = ck[k] ^ sig[k];
    HMAC(md, sp, hl, (const unsigned char *)"Server Key", 10, srvkey, &l);
    HMAC(md, srvkey, hl, (unsigned char *)am, strlen(am), c->scram_sig, &c->scram_siglen);
    char pb[128], fin[800], fe[1200]; b64(proof, hl, pb); snprintf(fin, sizeof fin, "%s,p=%s", wo, pb); b64((unsigned char *)fin, strlen(fin), fe);
    putf(c, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>", fe);
    c->st = S_AUTH2;
}

static void chat_template(conn *c, const char *to) {
    size_t size = 1024 + o.body; char *b = malloc(size); int n = snprintf(b, size, "<message to='%s' type='%s' id='", to, o.sc == SC_MUC ? "groupchat" : "chat");
    c->tpl_id = n; n += snprintf(b + n, size - n, "0000000000'><body>");
    int body = n; n += snprintf(b + n, size - n, "P%06d S", c->idx / 2); c->tpl_seq = n;
    n += snprintf(b + n, size - n, "0000000000 ");
    static const char fill[] = "The quick brown fox jumps over the lazy dog; then it rests. ";
    for (int k = 0; n - body < o.body; k++) b[n++] = fill[k % (sizeof fill - 1)];
    n += snprintf(b + n, size - n, "</body></message>");
    c->tpl = b; c->tpl_len = n;
}
static void raw_template(conn *c) {
    char *b = malloc(o.rawlen + 1); memset(b, 'x', o.rawlen); char h[32]; int n = snprintf(h, sizeof h, "P%06d S", c->idx / 2);
    memcpy(b, h, n); c->tpl_id = n; c->tpl_seq = n; memcpy(b + n, "0000000000 ", 11); b[o.rawlen - 1] = '\n'; c->tpl = b; c->tpl_len = o.rawlen;
}

static uint64_t wmask;
static void send_seq(conn *c) {           /* one message from the template */
    char *p = room_for(c, c->tpl_len); memcpy(p, c->tpl, c->tpl_len); digits(p + c->tpl_id, c->tx); digits(p + c->tpl_seq, c->tx); c->olen += c->tpl_len;
    c->ts[c->tx & wmask] = now_ns; c->tx++; total_tx++;
    if (!o.raw) sm_sent(c);
}

/* fan-out bookkeeping for muc and presence: deliveries per sequence number */
#define FR 4096
static uint32_t fan_cnt[FR]; static int fan_need;
static void pres_send(conn *c) { c->ts[c->tx & wmask] = now_ns; putf(c, "<presence><status>S%010llu</status></presence>", (unsigned long long)c->tx); c->tx++; total_tx++; sm_sent(c); }
static void iq_send(conn *c) { c->ts[c->tx & wmask] = now_ns; putf(c, "<iq type='get' id='p%010llu' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>", (unsigned long long)c->tx, o.domain); c->tx++; total_tx++; sm_sent(c); }
static void more(conn *c) { if (!sending) return; switch (o.sc) { case SC_PRES: pres_send(c); break; case SC_IQ: iq_send(c); break; default: send_seq(c); } }

static void fan_got(conn *c, uint64_t seq) {
    if (seq != c->rx) die("conn %d: got fan-out %llu, expected %llu (lost, duplicated or out of order)", c->idx, (unsigned long long)seq, (unsigned long long)c->rx);
    conn *s = &C[0]; c->rx++; total_rx++;
    if (seq >= s->tx) die("conn %d: fan-out %llu was never sent", c->idx, (unsigned long long)seq);
    if (phase == P_MEAS) { cnt++; hadd(now_ns - s->ts[seq & wmask]); }
    uint32_t *k = &fan_cnt[seq % FR];
    if (++*k == (uint32_t)fan_need) { *k = 0; if (phase == P_MEAS) msgs_done++; more(s); }
}

static void pair_got(conn *c, int pair, uint64_t seq) {
    if (!(c->idx & 1) || pair != c->idx / 2) die("conn %d: message of pair %d delivered here", c->idx, pair);
    if (seq != c->rx) die("conn %d: got message %llu, expected %llu (lost, duplicated or out of order)", c->idx, (unsigned long long)seq, (unsigned long long)c->rx);
    conn *s = &C[c->idx - 1];
    if (seq >= s->tx) die("conn %d: message %llu was never sent", c->idx, (unsigned long long)seq);
    c->rx++; total_rx++;
    if (phase == P_MEAS) { cnt++; hadd(now_ns - s->ts[seq & wmask]); }
    more(s);
}

static void room_jid(char *b, size_t n) { snprintf(b, n, "bench%d-%d@%s", o.n, (int)getpid(), o.muc); }
static void muc_join(conn *c) { char r[256]; room_jid(r, sizeof r); putf(c, "<presence to='%s/n%d'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>", r, c->idx); c->joined = 1; }
static int join_next;
static void muc_pump(void) { while (join_next < o.n && join_next - n_joined < 8) muc_join(&C[join_next++]); }

static void bad(conn *c, const char *what, const char *p, size_t n) { die("conn %d (%s%d, state %d): %s: %.*s", c->idx, o.prefix, o.first + c->idx, c->st, what, (int)(n > 600 ? 600 : n), p); }

static void on_features(conn *c, const char *p, size_t n) {
    if (!c->after_auth) {
        if (o.tls == TLS_START && !c->over_tls) {
            if (!has(p, n, "urn:ietf:params:xml:ns:xmpp-tls")) bad(c, "no STARTTLS offered", p, n);
            putf(c, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"); c->st = S_PROCEED; return;
        }
        if (o.sc == SC_REG) {
            char u[128]; user(c, u, sizeof u); c->st = S_REG;
            putf(c, "<iq type='set' id='reg1'><query xmlns='jabber:iq:register'><username>%s</username><password>%s</password></query></iq>", u, o.password); return;
        }
        char m[64]; snprintf(m, sizeof m, ">%s<", o.mech);
        if (!has(p, n, m)) bad(c, "mechanism not offered", p, n);
        send_auth(c); return;
    }
    if (!has(p, n, "urn:ietf:params:xml:ns:xmpp-bind")) bad(c, "no bind offered", p, n);
    bool sess = has(p, n, "urn:ietf:params:xml:ns:xmpp-session") && !has(p, n, "<optional");
    if (o.session == 0) sess = false;
    if (o.session == 1) sess = true;
    c->joined = sess; /* remembered until bind answers */
    putf(c, "<iq type='set' id='bind1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r%d</resource></bind></iq>", o.sc == SC_DEV ? c->idx : 0); c->st = S_BIND;
}

static void on_stanza(conn *c, const char *p, size_t n) {
    if (starts(p, n, "<stream:error")) bad(c, "stream error", p, n);
    switch (c->st) {
    case S_STREAM1: case S_STREAM2:
        if (starts(p, n, "<stream:features")) on_features(c, p, n); else bad(c, "expected features", p, n);
        return;
    case S_PROCEED: if (!starts(p, n, "<proceed")) bad(c, "expected proceed", p, n); start_tls(c); return;
    case S_AUTH: case S_AUTH2:
        if (c->st == S_AUTH && starts(p, n, "<challenge")) { scram_challenge(c, p, n); return; }
        if (!starts(p, n, "<success")) bad(c, "authentication failed", p, n);
        if (c->scram_bare) {
            const char *b = memchr(p, '>', n), *e = b ? memchr(b, '<', p + n - b) : NULL; unsigned char v[512]; char want[128];
            if (!e) bad(c, "no server signature", p, n);
            size_t vl = unb64(b + 1, e - b - 1, v); v[vl] = 0; b64(c->scram_sig, c->scram_siglen, want);
            if (strncmp((char *)v, "v=", 2) || strcmp((char *)v + 2, want)) bad(c, "wrong server signature", p, n);
            free(c->scram_bare); c->scram_bare = NULL;
        }
        c->after_auth = 1; c->st = S_STREAM2; stream_open(c); return;
    case S_REG:
        if (attr_is(p, n, "type", "result")) cnt++;
        else if (!has(p, n, "conflict")) bad(c, "registration refused", p, n);
        n_inflight--; n_ready++; put(c, "</stream:stream>", 16); flush(c); epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL);
        if (c->ssl) { SSL_free(c->ssl); c->ssl = NULL; }
        close(c->fd); c->st = S_CLOSED; return;
    case S_BIND: {
        if (!attr_is(p, n, "id", "bind1")) { if (starts(p, n, "<iq")) bad(c, "unexpected iq", p, n); return; }
        const char *j = memmem(p, n, "<jid>", 5), *e = j ? memmem(j, p + n - j, "</jid>", 6) : NULL;
        if (!attr_is(p, n, "type", "result") || !e) bad(c, "bind failed", p, n);
        c->jid = strndup(j + 5, e - j - 5);
        bool sess = c->joined; c->joined = 0;
        if (sess) { c->st = S_SESSION; putf(c, "<iq type='set' id='ses1'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>"); }
        else after_session(c);
        return; }
    case S_SESSION: if (attr_is(p, n, "id", "ses1")) { if (!attr_is(p, n, "type", "result")) bad(c, "session failed", p, n); after_session(c); } return;
    case S_ROSTER: if (attr_is(p, n, "id", "ros1")) { if (!attr_is(p, n, "type", "result")) bad(c, "roster failed", p, n); after_roster(c); } return;
    case S_ENABLE: if (starts(p, n, "<enabled")) enabled(c); else if (starts(p, n, "<failed")) bad(c, "stream management refused", p, n); return;
    case S_READY: break;
    default: return;
    }
    if (o.sm) {
        if (starts(p, n, "<r ")) { sm_answer(c); return; }
        if (starts(p, n, "<a ")) {
            const char *v; size_t vn; if (!attr(p, n, "h", &v, &vn)) bad(c, "no h", p, n);
            uint32_t h = (uint32_t)strtoul(v, NULL, 10);
            if (h > c->sm_out || h < c->sm_acked) bad(c, "an acknowledgement of what was not sent", p, n);
            c->sm_acked = h; return;
        }
        c->sm_in++;
        if (c->sm_in - c->sm_told >= (uint32_t)o.sm) sm_answer(c);
    }
    /* an authenticated session */
    if (starts(p, n, "<message")) {
        if (o.sc != SC_CHAT && o.sc != SC_MUC && o.sc != SC_DEV) { if (attr_is(p, n, "type", "error")) bad(c, "error", p, n); return; }
        if (attr_is(p, n, "type", "error")) bad(c, "message bounced", p, n);
        const char *b = memmem(p, n, "<body>", 6);
        if (!b) return;                                   /* e.g. a room's subject */
        b += 6; const char *e = memmem(b, p + n - b, "</body>", 7);
        if (!e || e - b != o.body || b[0] != 'P' || b[8] != 'S') bad(c, "unexpected body", p, n);
        uint64_t seq = undigits(b + 9); if (seq == UINT64_MAX) bad(c, "unexpected body", p, n);
        conn *snd = o.sc == SC_CHAT ? &C[c->idx & ~1] : &C[0];   /* the body but for its number must be the sender's */
        if (!snd->tpl) bad(c, "a message before any was sent", p, n);
        const char *tb = snd->tpl + snd->tpl_seq - 9;
        if (memcmp(b, tb, 9) || memcmp(b + 19, tb + 19, o.body - 19)) bad(c, "body changed or of another pair", p, n);
        if (o.sc != SC_CHAT) fan_got(c, seq); else { char t[8] = { 0 }; memcpy(t, b + 1, 6); pair_got(c, atoi(t), seq); }
    } else if (starts(p, n, "<presence")) {
        if (o.sc == SC_MUC) {
            if (attr_is(p, n, "type", "error")) bad(c, "room refused", p, n);
            if (c->joined == 1 && (has(p, n, "code='110'") || has(p, n, "code=\"110\""))) {
                if (c->idx == 0 && (has(p, n, "'201'") || has(p, n, "\"201\""))) {
                    char r[256]; room_jid(r, sizeof r); c->joined = 2;
                    putf(c, "<iq type='set' id='own1' to='%s'><query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'/></query></iq>", r);
                } else { c->joined = 3; n_joined++; muc_pump(); }
            }
        } else if (o.sc == SC_PRES) {
            if (c->idx == 0) { const char *f; size_t fl; if (attr_is(p, n, "type", "subscribe") && attr(p, n, "from", &f, &fl)) { putf(c, "<presence type='subscribed' to='%.*s'/>", (int)fl, f); sm_sent(c); } return; }
            if (attr_is(p, n, "type", "error")) bad(c, "presence error", p, n);
            if (!C[0].jid) return;
            const char *f; size_t fl; if (!attr(p, n, "from", &f, &fl)) return;
            size_t hl = strcspn(C[0].jid, "/"); if (fl < hl || memcmp(f, C[0].jid, hl) || (fl > hl && f[hl] != '/')) return;
            if (attr_is(p, n, "type", "subscribed") || !has(p, n, "type=")) { if (!c->joined) { c->joined = 1; n_joined++; } }
            const char *s = memmem(p, n, "<status>S", 9); if (s) { uint64_t q = undigits(s + 9); if (phase >= P_WARM && q != UINT64_MAX) fan_got(c, q); }
        }
    } else if (starts(p, n, "<iq")) {
        if (o.sc == SC_MUC && attr_is(p, n, "id", "own1")) { if (!attr_is(p, n, "type", "result")) bad(c, "room not created", p, n); c->joined = 3; n_joined++; muc_pump(); return; }
        if (o.sc == SC_IQ) {
            const char *v; size_t vn; if (!attr(p, n, "id", &v, &vn) || vn != 11 || v[0] != 'p') return;
            if (!attr_is(p, n, "type", "result")) bad(c, "ping failed", p, n);
            uint64_t seq = undigits(v + 1); if (seq >= c->tx || seq + o.window < c->rx) bad(c, "unexpected pong", p, n);
            if (seq != c->rx) iq_ooo++;
            c->rx++; total_rx++; if (phase == P_MEAS) { cnt++; hadd(now_ns - c->ts[seq & wmask]); } more(c);
        }
    }
}

/* -------------------------------------------------------------- scanner -- */

/* end of a tag that starts at p: pointer past '>' or NULL */
static const char *tag_end(const char *p, const char *e) {
    for (p++; p < e; p++) {
        char ch = *p;
        if (ch == '>') return p + 1;
        if (ch == '\'' || ch == '"') { p = memchr(p + 1, ch, e - p - 1); if (!p) return NULL; }
    }
    return NULL;
}

static size_t scan(conn *c, const char *b, size_t n) {
    const char *p = b, *e = b + n;
    while (p < e) {
        if (c->st == S_TLS || c->st == S_CLOSED) break;
        if (o.raw) { const char *q = memchr(p, '\n', e - p); if (!q) break; q++;
            if (q - p != o.rawlen || p[0] != 'P') die("raw line of %d bytes", (int)(q - p));
            char t[8] = { 0 }; memcpy(t, p + 1, 6); pair_got(c, atoi(t), undigits(p + 9)); p = q; continue; }
        if (*p != '<') { p++; continue; }
        if (e - p < 2) break;
        if (p[1] == '?') { const char *q = tag_end(p, e); if (!q) break; p = q; continue; }
        if (!c->in_stream) {
            const char *q = tag_end(p, e); if (!q) break;
            if (!starts(p, q - p, "<stream:stream")) bad(c, "expected a stream header", p, q - p);
            c->in_stream = 1; p = q; continue;
        }
        if (p[1] == '/') { const char *q = tag_end(p, e); if (!q) break; if (c->st != S_CLOSING) bad(c, "server closed the stream", p, q - p); p = q; continue; }
        const char *q = p; int depth = 0; bool whole = false;
        while (q) {
            if (e - q < 2) break;
            const char *t = tag_end(q, e); if (!t) break;
            if (q[1] == '/') { if (--depth == 0) { q = t; whole = true; break; } }
            else if (t[-2] == '/') { if (depth == 0) { q = t; whole = true; break; } }
            else depth++;
            q = memchr(t, '<', e - t);
        }
        if (!whole) break;
        on_stanza(c, p, q - p); p = q;
    }
    return p - b;
}

/* ----------------------------------------------------------------- I/O -- */

static void closed(conn *c) {
    if (c->st == S_CLOSED) return;
    if (c->st != S_CLOSING) die("conn %d (%s%d): connection closed by the server in state %d", c->idx, o.prefix, o.first + c->idx, c->st);
    epoll_ctl(ep, EPOLL_CTL_DEL, c->fd, NULL); if (c->ssl) { SSL_free(c->ssl); c->ssl = NULL; } close(c->fd); c->st = S_CLOSED; n_closed++;
}

#define RB (256 * 1024)
static char rbuf[RB];

static void feed(conn *c, size_t n) { /* n new bytes stand in rbuf */
    reads++; bytes_in += n;
    if (c->ilen) {
        if (c->ilen + n > c->icap) { size_t k = c->icap ? c->icap : 1024; while (k < c->ilen + n) k *= 2; c->ibuf = realloc(c->ibuf, k); c->icap = k; }
        memcpy(c->ibuf + c->ilen, rbuf, n); c->ilen += n;
        size_t u = scan(c, c->ibuf, c->ilen);
        if (u < c->ilen) memmove(c->ibuf, c->ibuf + u, c->ilen - u);
        c->ilen -= u;
        if (!c->ilen && o.sc == SC_IDLE) { free(c->ibuf); c->ibuf = NULL; c->icap = 0; }
    } else {
        size_t u = scan(c, rbuf, n);
        if (u < n && c->st != S_TLS && c->st != S_CLOSED) {
            size_t k = n - u; if (k > c->icap) { c->ibuf = realloc(c->ibuf, k); c->icap = k; }
            memcpy(c->ibuf, rbuf + u, k); c->ilen = k;
        }
    }
}

static void tls_step(conn *c) {
    int r = SSL_do_handshake(c->ssl);
    if (r == 1) { c->over_tls = 1; c->st = S_STREAM1; set_out(c, false); stream_open(c); return; }
    int e = SSL_get_error(c->ssl, r);
    if (e == SSL_ERROR_WANT_READ) set_out(c, false); else if (e == SSL_ERROR_WANT_WRITE) set_out(c, true);
    else die("conn %d: TLS handshake failed (%d, %s)", c->idx, e, ERR_error_string(ERR_get_error(), NULL));
}

static void on_readable(conn *c) {
    if (c->st == S_TLS) { tls_step(c); if (c->st == S_TLS) return; }
    if (c->over_tls) {
        for (int k = 0; k < 16; k++) {
            int r = SSL_read(c->ssl, rbuf, RB);
            if (r > 0) { feed(c, r); if (c->st == S_CLOSED) return; continue; }
            int e = SSL_get_error(c->ssl, r);
            if (e == SSL_ERROR_WANT_READ) return;
            if (e == SSL_ERROR_WANT_WRITE) { set_out(c, true); return; }
            closed(c); return;
        }
        return;
    }
    ssize_t r = recv(c->fd, rbuf, RB, 0);
    if (r > 0) { feed(c, r); if (c->st == S_TLS) tls_step(c); }
    else if (r == 0 || errno != EAGAIN) closed(c);
}

/* by pairs over all of --ports, each pair's receiver one further than its sender */
static int port_of(conn *c) {
    if (o.n_ports) return o.ports[(c->idx / 2 + (c->idx & 1)) % o.n_ports];
    return o.port2 && (c->idx & 1) ? o.port2 : o.port;
}
static void start_conn(conn *c) {
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); if (c->fd < 0) die("socket: %s", strerror(errno));
    int one = 1; setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (o.src > 1) {
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        struct sockaddr_in s = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001u + c->idx % o.src) };
        if (bind(c->fd, (void *)&s, sizeof s) < 0) die("bind: %s", strerror(errno));
    }
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port_of(c)) };
    if (inet_pton(AF_INET, o.host, &a.sin_addr) != 1) die("--host takes an IPv4 address");
    c->st = S_CONNECTING; c->t_start = nsnow(); c->want_out = 1; n_inflight++;
    if (connect(c->fd, (void *)&a, sizeof a) < 0 && errno != EINPROGRESS) die("connect: %s", strerror(errno));
    ev(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}
static void on_connected(conn *c) {
    int er = 0; socklen_t l = sizeof er; getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &er, &l); if (er) die("conn %d: connect: %s", c->idx, strerror(er));
    if (o.raw) { c->st = S_READY; putf(c, "U %d\n", c->idx); ready(c); return; }
    if (o.tls == TLS_DIRECT) { start_tls(c); tls_step(c); return; }
    c->st = S_STREAM1; stream_open(c);
}

/* -------------------------------------------------------------- phases -- */

static void set_phase(enum ph p) { phase = p; t_phase = nsnow(); }
static void begin_measure(void) { memset(hist, 0, sizeof hist); hist_n = hist_max = 0; cnt = 0; u0 = sample(false); getrusage(RUSAGE_SELF, &r0); set_phase(P_MEAS); t_m0 = nsnow(); reads = 0; bytes_in = 0; }
static void end_measure(void) { t_m1 = nsnow(); u1 = sample(true); getrusage(RUSAGE_SELF, &r1); }

static void start_sending(void) {
    sending = true; set_phase(P_WARM); wmask = 1; while (wmask < (uint64_t)o.window) wmask <<= 1; wmask--;
    for (int i = 0; i < o.n; i++) {
        conn *c = &C[i]; bool tx = o.sc == SC_IQ || (o.sc == SC_CHAT && !(i & 1)) || ((o.sc == SC_MUC || o.sc == SC_PRES || o.sc == SC_DEV) && i == 0);
        if (!tx) continue;
        c->ts = calloc(wmask + 1, sizeof *c->ts);
        if (o.raw) raw_template(c);
        else if (o.sc == SC_CHAT) { char to[512]; snprintf(to, sizeof to, "%s", C[i + 1].jid); if (o.to == TO_BARE) to[strcspn(to, "/")] = 0; chat_template(c, to); }
        else if (o.sc == SC_DEV) { char to[512]; snprintf(to, sizeof to, "%s", C[1].jid); to[strcspn(to, "/")] = 0; chat_template(c, to); }
        else if (o.sc == SC_MUC) { char r[256]; room_jid(r, sizeof r); chat_template(c, r); }
        for (int k = 0; k < o.window; k++) more(c);
    }
    fan_need = o.sc == SC_MUC ? o.n : o.n - 1;
}

static int *order;                        /* who connects when */
static void step(void) {
    double el = (nsnow() - t_phase) / 1e9;
    if ((nsnow() - t_begin) / 1e9 > o.timeout) die("timeout: phase %d, ready %d of %d, joined %d, tx %llu, rx %llu", phase, n_ready, o.n, n_joined, (unsigned long long)total_tx, (unsigned long long)total_rx);
    switch (phase) {
    case P_LOGIN: {
        int batch = 0;
        while (n_started < o.n && n_inflight < o.conc && batch++ < 64) {
            if (o.rate > 0 && n_started > (nsnow() - t_begin) / 1e9 * o.rate) break;
            start_conn(&C[order[n_started++]]);
        }
        if (n_ready < o.n) break;
        if (o.sc == SC_LOGIN || o.sc == SC_REG) { end_measure(); set_phase(P_CLOSE); break; }
        set_phase(P_SETUP);
        if (o.sc == SC_MUC) { if (!o.muc) die("--muc-host is needed"); join_next = 1; muc_join(&C[0]); }
        break; }
    case P_SETUP:
        if (o.sc == SC_IDLE) {
            static bool held;
            if (!held) { held = true; fputs("held\n", stderr); }
            /* what an idle server takes is measured over the second half */
            if (!t_half && el >= o.settle / 2) { usage u = sample(false); memcpy(u0.root, u.root, sizeof u.root); t_half = nsnow(); }
            if (el >= o.settle) { u1 = sample(true); getrusage(RUSAGE_SELF, &r1); t_m1 = nsnow(); set_phase(P_CLOSE); } }
        else if (o.sc == SC_MUC) { if (n_joined == o.n && el > 1) start_sending(); }
        else if (o.sc == SC_PRES) {
            static uint64_t t1; static int next = 1, asked, before;      /* a few subscriptions at a time: storing them is not the load */
            if (el <= 2) before = n_joined;
            else for (; next < o.n && asked - (n_joined - before) < 16; next++) if (!C[next].joined) {
                asked++; putf(&C[next], "<presence type='subscribe' to='%.*s'/>", (int)strcspn(C[0].jid, "/"), C[0].jid); sm_sent(&C[next]);
            }
            if (n_joined == o.n - 1) { if (!t1) t1 = nsnow(); if ((nsnow() - t1) / 1e9 > 1.5) start_sending(); }
        } else if (el > 0.5) start_sending();
        break;
    case P_WARM: if (el >= o.warmup) begin_measure(); break;
    case P_MEAS: if (el >= o.duration) { end_measure(); sending = false; set_phase(P_DRAIN); } break;
    case P_DRAIN: {
        uint64_t want = (o.sc == SC_MUC || o.sc == SC_PRES || o.sc == SC_DEV) ? total_tx * fan_need : total_tx;
        if (total_rx == want && el > 0.3) set_phase(P_CLOSE);
        else if (el > 20) die("lost: %llu of %llu deliveries missing after 20 s", (unsigned long long)(want - total_rx), (unsigned long long)want);
        break; }
    case P_CLOSE: break;
    }
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i++) {
        const char *k = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";
        #define OPT(name) (!strcmp(k, name) && ++i)
        if (OPT("--scenario")) { int f = 0; for (int s = 0; s <= SC_REG; s++) if (!strcmp(v, SCN[s])) { o.sc = s; f = 1; } if (!f) { fprintf(stderr, "unknown scenario %s\n", v); return 2; } }
        else if (OPT("--host")) o.host = v;
        else if (OPT("--port")) o.port = atoi(v);
        else if (OPT("--port2")) o.port2 = atoi(v);
        else if (OPT("--ports")) { for (const char *p = v; *p && o.n_ports < 16; ) { o.ports[o.n_ports++] = atoi(p); p = strchr(p, ','); if (!p) break; p++; } }
        else if (OPT("--shuffle")) o.shuffle = atoi(v);
        else if (OPT("--domain")) o.domain = v;
        else if (OPT("--user-prefix")) o.prefix = v;
        else if (OPT("--password")) o.password = v;
        else if (OPT("--first")) o.first = atoi(v);
        else if (OPT("--n")) o.n = atoi(v);
        else if (OPT("--pairs")) o.n = 2 * atoi(v);
        else if (OPT("--window")) o.window = atoi(v);
        else if (OPT("--body")) o.body = atoi(v);
        else if (OPT("--duration")) o.duration = atof(v);
        else if (OPT("--warmup")) o.warmup = atof(v);
        else if (OPT("--settle")) o.settle = atof(v);
        else if (OPT("--timeout")) o.timeout = atof(v);
        else if (OPT("--concurrency")) o.conc = atoi(v);
        else if (OPT("--rate")) o.rate = atof(v);
        else if (OPT("--src")) o.src = atoi(v);
        else if (OPT("--presence")) o.presence = atoi(v);
        else if (OPT("--roster")) o.roster = atoi(v);
        else if (OPT("--session")) o.session = atoi(v);
        else if (OPT("--sm")) o.sm = atoi(v);
        else if (OPT("--mech")) o.mech = v;
        else if (OPT("--keys")) o.keys = v;
        else if (OPT("--muc-host")) o.muc = v;
        else if (OPT("--label")) o.label = v;
        else if (OPT("--pid")) o.pids = v;
        else if (OPT("--to")) o.to = !strcmp(v, "bare") ? TO_BARE : TO_FULL;
        else if (OPT("--tls")) o.tls = !strcmp(v, "starttls") ? TLS_START : !strcmp(v, "direct") ? TLS_DIRECT : TLS_NONE;
        else if (OPT("--raw")) { o.raw = 1; o.rawlen = atoi(v); }
        else { fprintf(stderr, "unknown option %s\n", k); return 2; }
    }
    if (o.body < 24 || o.body > 200000) die("--body must be 24..200000");
    if (o.rawlen < 32) die("--raw must be at least 32");
    if (o.window < 1 || o.window > 1024) die("--window must be 1..1024");
    if (o.sc == SC_CHAT && (o.n & 1)) o.n++;
    for (const char *p = o.pids; *p; ) { root_pid[n_root++] = atoi(p); p = strchr(p, ','); if (!p || n_root == 64) break; p++; }
    struct rlimit rl; getrlimit(RLIMIT_NOFILE, &rl); rl.rlim_cur = rl.rlim_max; setrlimit(RLIMIT_NOFILE, &rl);
    if ((rlim_t)o.n + 32 > rl.rlim_cur) die("needs %d descriptors, the limit is %lu", o.n + 32, (unsigned long)rl.rlim_cur);
    if (o.tls) { ctx = SSL_CTX_new(TLS_client_method()); SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL); SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS); }
    C = calloc(o.n, sizeof *C); dirty = calloc(o.n, sizeof *dirty);
    order = calloc(o.n, sizeof *order);
    for (int i = 0; i < o.n; i++) { C[i].idx = i; C[i].fd = -1; order[i] = i; }
    if (o.shuffle) { srand(o.shuffle); for (int i = o.n - 1; i > 0; i--) { int j = rand() % (i + 1), k = order[i]; order[i] = order[j]; order[j] = k; } }
    ep = epoll_create1(EPOLL_CLOEXEC);
    load_keys();
    t_begin = nsnow(); m0 = sample(true); phase = P_LOGIN; t_phase = t_begin; u0 = m0; getrusage(RUSAGE_SELF, &r0); t_m0 = nsnow();
    struct epoll_event E[512];
    bool closing = false; uint64_t last_step = 0;
    for (;;) {
        now_ns = nsnow();
        if (phase == P_LOGIN || now_ns - last_step > 2000000) { last_step = now_ns; step(); now_ns = nsnow(); }
        if (phase == P_CLOSE) {
            if (!closing) { closing = true; for (int i = 0; i < o.n; i++) if (C[i].st == S_READY) {
                if (o.raw) { C[i].st = S_CLOSING; shutdown(C[i].fd, SHUT_WR); } else { put(&C[i], "</stream:stream>", 16); C[i].st = S_CLOSING; } } else if (C[i].st == S_CLOSED) n_closed++; }
            if (n_closed >= o.n || (nsnow() - t_phase) / 1e9 > 10) break;
        }
        for (int i = 0; i < ndirty; i++) { dirty[i]->dirty = 0; flush(dirty[i]); }
        ndirty = 0;
        int k = epoll_wait(ep, E, 512, phase == P_LOGIN && (n_inflight < o.conc && n_started < o.n) ? 0 : 5);
        if (k < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
        now_ns = nsnow();
        for (int i = 0; i < k; i++) {
            conn *c = E[i].data.ptr;
            if (c->st == S_CLOSED) continue;
            if (c->st == S_CONNECTING) { set_out(c, false); on_connected(c); continue; }
            if ((E[i].events & EPOLLOUT) && c->st == S_TLS) tls_step(c);
            else if (E[i].events & EPOLLOUT) { set_out(c, false); flush(c); }
            if (E[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
        }
    }
    save_keys();
    double wall = (t_m1 - t_m0) / 1e9, su = u1.user - u0.user, ss = u1.sys - u0.sys, cpu = su + ss;
    double lg = (r1.ru_utime.tv_sec - r0.ru_utime.tv_sec) + (r1.ru_stime.tv_sec - r0.ru_stime.tv_sec) + (r1.ru_utime.tv_usec - r0.ru_utime.tv_usec + r1.ru_stime.tv_usec - r0.ru_stime.tv_usec) / 1e6;
    uint64_t units = o.sc == SC_LOGIN || o.sc == SC_IDLE || o.sc == SC_REG ? (uint64_t)o.n : cnt;
    char roots[64 * 24] = ""; double root_wall = t_half ? (t_m1 - t_half) / 1e9 : wall;     /* each process's share of a core */
    for (int k = 0, at = 0; k < n_root; k++) at += snprintf(roots + at, sizeof roots - at, "%s%.6f", k ? "," : "", (u1.root[k] - u0.root[k]) / root_wall);
    printf("{\"ok\":true,\"label\":\"%s\",\"scenario\":\"%s\",\"n\":%d,\"window\":%d,\"body\":%d,\"tls\":%d,\"mech\":\"%s\",\"raw\":%d,\"wall_s\":%.3f,\"units\":%llu,\"per_s\":%.1f,"
           "\"server_cpu_s\":%.2f,\"server_user_s\":%.2f,\"server_sys_s\":%.2f,\"server_cpu_us_per_unit\":%.3f,\"units_per_server_cpu_s\":%.1f,\"server_cores\":%.3f,"
           "\"loadgen_cpu_s\":%.2f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%llu,\"bytes_per_read\":%.0f,\"sent\":%llu,\"received\":%llu,\"iq_out_of_order\":%llu,\"fanout_msgs\":%llu,"
           "\"rss0_kb\":%llu,\"rss1_kb\":%llu,\"pss0_kb\":%llu,\"pss1_kb\":%llu,\"rss_kb_per_conn\":%.2f,\"procs\":%d,\"unclosed\":%d,\"root_cores\":[%s]}\n",
           o.label, SCN[o.sc], o.n, o.window, o.body, o.tls, o.raw ? "-" : o.mech, o.raw ? o.rawlen : 0, wall, (unsigned long long)units, units / wall,
           cpu, su, ss, units ? cpu * 1e6 / units : 0, cpu > 0 ? units / cpu : 0, cpu / wall, lg, hpct(.50), hpct(.99), (unsigned long long)hist_max, reads ? (double)bytes_in / reads : 0,
           (unsigned long long)total_tx, (unsigned long long)total_rx, (unsigned long long)iq_ooo, (unsigned long long)msgs_done,
           (unsigned long long)m0.rss_kb, (unsigned long long)u1.rss_kb, (unsigned long long)m0.pss_kb, (unsigned long long)u1.pss_kb, ((double)u1.rss_kb - (double)m0.rss_kb) / o.n, u1.procs, o.n - n_closed, roots);
    return 0;
}
