/* How bytes go to a SIP URI: see forward.h. */
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "core/cfg/cfg_struct.h"
#include "core/dprint.h"
#include "core/forward.h"
#include "core/globals.h"
#include "core/locking.h"
#include "core/mem/shm_mem.h"
#include "core/parser/parse_uri.h"
#include "core/pt.h"
#include "core/resolve.h"
#include "core/sctp_core.h"
#include "core/sr_module.h"
#include "core/tcp_server.h"
#include "core/udp_server.h"

#include "forward.h"

#define NAMES 64            /* names that are known at a time; the one that was used longest ago makes room */
#define NAME_SIZE 256
#define REFRESH 30          /* seconds after which a name is looked up again */
#define RETRY 5             /* seconds after which one that was not found is */
#define FORGET 600          /* seconds after which an unused name is left alone */
#define TURN 200000         /* microseconds between two looks for work */
#define LOG_INTERVAL 5      /* seconds between two lines about the same trouble */
#define HELD 1048576        /* bytes that are held for names at most */

/* A name, the port and transport that it is asked for with, and what was found. All zero: a free place. */
typedef struct known_name {
    char name[NAME_SIZE];
    int len;
    unsigned short port;
    char proto;
    time_t used;
    unsigned long turn;     /* of all uses of names, the number of the last one */
    time_t tried;           /* 0: never */
    int failed;             /* whether the last try failed */
    int known;              /* whether `to` holds an address, be it an old one */
    union sockaddr_union to;
    char to_proto;
} known_name;

/* Bytes for a name that is not looked up yet; they and the URI stand behind it. */
typedef struct held_bytes {
    struct held_bytes *next;
    str uri;
    str bytes;
} held_bytes;

typedef struct name_table {
    gen_lock_t lock;
    known_name names[NAMES];
    unsigned long turns;    /* uses of names so far */
    held_bytes *held;       /* the last one first */
    size_t held_size;       /* bytes of these, and of those that are being sent */
    unsigned int held_count;
} name_table;

static name_table *table = NULL;
static int expected = 0; /* whether names are expected, and not only addresses */
static forward_names rule = FORWARD_BY_SERVICE;
static forward_late send_late = NULL;

int forward_reserve(forward_names names, forward_late late)
{
    rule = names;
    send_late = late;
    table = shm_malloc(sizeof(*table));
    if (table == NULL || (memset(table, 0, sizeof(*table)), lock_init(&table->lock)) == NULL) {
        LM_ERR("no shared memory left\n");
        return 0;
    }
    register_procs(1);
    return 1;
}

static int is_numeric(str *host)
{
    return str2ip(host) != NULL || str2ip6(host) != NULL;
}

static int is_name(const known_name *known, const str *name, unsigned short port, char proto)
{
    return known->len == name->len && known->port == port && known->proto == proto
           && strncasecmp(known->name, name->s, name->len) == 0;
}

static known_name *use(known_name *known)
{
    known->used = time(NULL);
    known->turn = ++table->turns;
    return known;
}

/* The place of a name that is used now; NULL when it has none. The table is locked. */
static known_name *place_of(const str *name, unsigned short port, char proto)
{
    for (known_name *known = table->names; known < table->names + NAMES; known++) {
        if (is_name(known, name, port, proto)) {
            return use(known);
        }
    }
    return NULL;
}

/* Whether one name makes room rather than the other: one that nobody waits for, and then the one that was used longest ago. */
static int yields(const known_name *known, const known_name *other)
{
    int is_awaited = known->len > 0 && known->tried == 0;
    int other_is_awaited = other->len > 0 && other->tried == 0;

    return is_awaited != other_is_awaited ? other_is_awaited : known->turn < other->turn;
}

/* Gives a name without a place one; with `waits`, none that belongs to a name that is yet to be looked up. The table is locked. */
static known_name *claim_place(const str *name, unsigned short port, char proto, int waits)
{
    known_name *place = &table->names[0];

    for (known_name *known = table->names + 1; known < table->names + NAMES; known++) {
        if (yields(known, place)) {
            place = known;
        }
    }
    if (waits && place->len > 0 && place->tried == 0) {
        return NULL;
    }
    memset(place, 0, sizeof(*place));
    memcpy(place->name, name->s, name->len);
    place->len = name->len;
    place->port = port;
    place->proto = proto;
    return use(place);
}

/* Gives a sips URI its transport, which the host's parser does not; 0 when it asks for one that is not safe. */
static int secure(sip_uri_t *uri)
{
    if (uri->type == SIPS_URI_T && (uri->proto == PROTO_NONE || uri->proto == PROTO_TCP)) {
        uri->proto = PROTO_TLS;
    }
    return uri->type != SIPS_URI_T || uri->proto == PROTO_TLS || uri->proto == PROTO_WSS;
}

static int parse(const str *uri, sip_uri_t *parsed)
{
    memset(parsed, 0, sizeof(*parsed));
    if (uri->s == NULL || uri->len <= 0 || parse_uri(uri->s, uri->len, parsed) != 0 || parsed->host.len <= 0
            || parsed->host.len >= NAME_SIZE || !secure(parsed)) {
        return 0;
    }
    if (rule == FORWARD_BY_ADDRESS) {
        parsed->port_no = parsed->port_no != 0 ? parsed->port_no : parsed->type == SIPS_URI_T ? SIPS_PORT : SIP_PORT;
        parsed->proto = parsed->proto != PROTO_NONE ? parsed->proto : PROTO_UDP;
    }
    return 1;
}

void forward_expect(const str *uri)
{
    sip_uri_t parsed;

    if (table == NULL) {
        return; /* nothing will be sent */
    }
    if (uri == NULL) {
        expected = 1;
    } else if (parse(uri, &parsed) && !is_numeric(&parsed.host)) {
        expected = 1;
        if (place_of(&parsed.host, parsed.port_no, parsed.proto) == NULL) {
            claim_place(&parsed.host, parsed.port_no, parsed.proto, 0);
        }
    }
}

static int is_due(const known_name *known, time_t now)
{
    return known->len > 0 && now - known->used < FORGET
           && (known->tried == 0 || now - known->tried >= (known->failed ? RETRY : REFRESH));
}

/* Looks one name up, with the table unlocked meanwhile. */
static void look_up(known_name *place)
{
    known_name asked = *place;
    str name = { asked.name, asked.len };
    union sockaddr_union to;
    char proto = asked.proto;
    int found;

    lock_release(&table->lock);
    found = sip_hostport2su(&to, &name, asked.port, &proto) == 0;
    if (!found && !asked.failed) {
        LM_ERR("%.*s cannot be resolved; nothing is sent there %s\n", name.len, name.s,
                asked.known ? "but to the address that it had before" : "until it can be");
    }
    lock_get(&table->lock);
    if (!is_name(place, &name, asked.port, asked.proto)) {
        return; /* another name has got the place */
    }
    place->tried = time(NULL);
    place->failed = !found;
    if (found) {
        place->known = 1;
        place->to = to;
        place->to_proto = proto;
    }
}

/* Whether a name is yet to be looked up. One that has lost its place to another gets one again where no other waits for its own. */
static int is_awaited(const str *uri)
{
    sip_uri_t parsed;
    known_name *known;
    int awaited;

    if (!parse(uri, &parsed)) {
        return 0;
    }
    lock_get(&table->lock);
    known = place_of(&parsed.host, parsed.port_no, parsed.proto);
    if (known == NULL) {
        known = claim_place(&parsed.host, parsed.port_no, parsed.proto, 1);
    }
    awaited = known == NULL || known->tried == 0;
    lock_release(&table->lock);
    return awaited;
}

/* Sends, or has the module give up, what is held for names that are looked up by now, in the order of its coming. */
static void send_held(void)
{
    held_bytes *held, *turned = NULL, *next;

    if (send_late == NULL) {
        return; /* nothing is ever held */
    }
    lock_get(&table->lock);
    held = table->held;
    table->held = NULL;
    lock_release(&table->lock);
    for (; held != NULL; held = next) {
        next = held->next;
        held->next = turned;
        turned = held;
    }
    for (held = turned; held != NULL; held = next) {
        int waits = is_awaited(&held->uri);
        next = held->next;
        if (!waits) {
            send_late(&held->uri, held->bytes.s, held->bytes.len);
        }
        lock_get(&table->lock);
        if (waits) {
            held->next = table->held;
            table->held = held;
        } else {
            table->held_size -= held->uri.len + held->bytes.len;
            table->held_count--;
        }
        lock_release(&table->lock);
        if (!waits) {
            shm_free(held);
        }
    }
}

static void resolve(pid_t server)
{
    /* Nobody else would end this process with a server that was killed. One that was killed before this call sends no signal, and is not
     * the parent any more. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    while (getppid() == server) {
        cfg_update();
        lock_get(&table->lock);
        for (known_name *known = table->names; known < table->names + NAMES; known++) {
            if (is_due(known, time(NULL))) {
                look_up(known);
                /* The next look-up may take long. */
                lock_release(&table->lock);
                send_held();
                lock_get(&table->lock);
            }
        }
        lock_release(&table->lock);
        send_held();
        usleep(TURN);
    }
}

/* Scripts in other languages tell their functions only when they call them. */
static int has_script_engine(void)
{
    static char *const engines[] = { "app_lua", "app_python", "app_python3", "app_python3s", "app_jsdt", "app_ruby",
            "app_ruby_proc", "app_sqlang", "app_mono" };

    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        if (module_loaded(engines[i])) {
            return 1;
        }
    }
    return 0;
}

/* Whether a process looks names up, once the server is up. */
static int is_served(void)
{
    return expected || has_script_engine();
}

int forward_start(const sigset_t *signals)
{
    char description[] = MOD_NAME " resolver";
    pid_t server = getpid();
    int pid;

    if (table == NULL || !is_served()) {
        return 1;
    }
    /* Only what sends needs a way to the host's connections. */
    pid = fork_process(PROC_NOCHLDINIT, description, send_late != NULL);
    if (pid < 0) {
        LM_ERR("the resolver process cannot be started\n");
        return 0;
    }
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, signals, NULL);
        if (cfg_late_child_init() == 0) {
            resolve(server);
        }
        _exit(0);
    }
    return 1;
}

/* Whether a line may be written; the traffic must not fill the log. */
static int may_log(void)
{
    static time_t last = 0;
    time_t now = time(NULL);

    if (now - last < LOG_INTERVAL) {
        return 0;
    }
    last = now;
    return 1;
}

static forward_found find(dest_info_t *to, sip_uri_t *uri)
{
    struct ip_addr *ip = str2ip(&uri->host);
    forward_found found = FORWARD_UNKNOWN;
    known_name *known;

    if (ip == NULL) {
        ip = str2ip6(&uri->host);
    }
    if (ip != NULL) {
        int port = uri->port_no != 0 ? uri->port_no : uri->proto == PROTO_TLS ? SIPS_PORT : SIP_PORT;
        to->proto = uri->proto;
        return init_su(&to->to, ip, port) == 0 ? FORWARD_KNOWN : FORWARD_BAD;
    }
    if (table == NULL) {
        return FORWARD_UNKNOWN;
    }
    lock_get(&table->lock);
    known = place_of(&uri->host, uri->port_no, uri->proto);
    if (known == NULL) {
        known = claim_place(&uri->host, uri->port_no, uri->proto, 0);
    }
    if (known->known) {
        to->to = known->to;
        to->proto = known->to_proto;
        found = FORWARD_KNOWN;
    } else if (known->tried == 0 && is_served()) {
        found = FORWARD_AWAITED;
    }
    lock_release(&table->lock);
    return found;
}

static int send_to(dest_info_t *to, const char *bytes, unsigned int len)
{
    switch (to->proto) {
        case PROTO_UDP:
            to->send_sock = get_send_socket(NULL, &to->to, PROTO_UDP);
            return to->send_sock != NULL ? udp_send(to, (char *)bytes, len) : -1;
#ifdef USE_TCP
        case PROTO_TCP:
            return tcp_disable ? -1 : tcp_send(to, NULL, (char *)bytes, len);
#endif
#ifdef USE_TLS
        case PROTO_TLS:
            return tls_disable ? -1 : tcp_send(to, NULL, (char *)bytes, len);
#endif
#ifdef USE_SCTP
        case PROTO_SCTP:
            to->send_sock = get_send_socket(NULL, &to->to, PROTO_SCTP);
            return to->send_sock != NULL ? sctp_core_msg_send(to, (char *)bytes, len) : -1;
#endif
        default:
            return -1;
    }
}

forward_found forward_find(const str *uri, dest_info_t *to)
{
    sip_uri_t parsed;
    forward_found found;

    init_dest_info(to);
    if (!parse(uri, &parsed)) {
        return FORWARD_BAD;
    }
    found = find(to, &parsed);
    if (found == FORWARD_KNOWN && to->proto == PROTO_NONE) {
        to->proto = PROTO_UDP;
    }
    return found;
}

int forward_hold(const str *uri, const char *bytes, unsigned int len)
{
    size_t size = (size_t)uri->len + len;
    held_bytes *held;
    int has_room;

    if (table == NULL || send_late == NULL) {
        return 0;
    }
    lock_get(&table->lock);
    has_room = table->held_size + size <= HELD;
    if (has_room) {
        table->held_size += size;
        table->held_count++;
    }
    lock_release(&table->lock);
    if (!has_room) {
        return 0;
    }
    held = shm_malloc(sizeof(*held) + size);
    if (held == NULL) {
        lock_get(&table->lock);
        table->held_size -= size;
        table->held_count--;
        lock_release(&table->lock);
        return 0;
    }
    held->uri = (str){ (char *)(held + 1), uri->len };
    held->bytes = (str){ held->uri.s + uri->len, len };
    memcpy(held->uri.s, uri->s, uri->len);
    memcpy(held->bytes.s, bytes, len);
    lock_get(&table->lock);
    held->next = table->held;
    table->held = held;
    lock_release(&table->lock);
    return 1;
}

void forward_end(void)
{
    if (table != NULL && table->held_count > 0) {
        LM_WARN("%u copies for names that were not looked up yet are not sent\n", table->held_count);
    }
}

/* A URI as a line of the log has it: `scheme` and `rest`, without the user between them, who may have a password. */
typedef struct shown_uri {
    str scheme;
    str rest;
} shown_uri;

static shown_uri without_user(const str *uri)
{
    shown_uri shown = { { uri->s, 0 }, *uri };

    for (int i = 0; i < uri->len; i++) {
        if (uri->s[i] == ':' && shown.scheme.len == 0 && shown.rest.len == uri->len) {
            shown.scheme.len = i + 1;
        } else if (uri->s[i] == '@') {
            shown.rest = (str){ uri->s + i + 1, uri->len - i - 1 };
        }
    }
    if (shown.rest.len == uri->len) {
        shown.scheme.len = 0; /* it has no user */
    }
    return shown;
}

void forward_failed(const str *uri, forward_found found)
{
    shown_uri shown;

    if (!may_log()) {
        return;
    }
    shown = without_user(uri);
    switch (found) {
        case FORWARD_BAD:
            LM_ERR("\"%.*s%.*s\" is no SIP URI; sip:host[:port][;transport=udp|tcp|tls|sctp] and sips:host[:port] are allowed\n",
                    shown.scheme.len, shown.scheme.s, shown.rest.len, shown.rest.s);
            break;
        case FORWARD_KNOWN:
            LM_ERR("nothing is sent to %.*s%.*s: no socket of that transport, or the send failed\n", shown.scheme.len, shown.scheme.s,
                    shown.rest.len, shown.rest.s);
            break;
        case FORWARD_UNKNOWN:
        case FORWARD_AWAITED:
            LM_WARN("nothing is sent to %.*s%.*s: its address is not known yet\n", shown.scheme.len, shown.scheme.s, shown.rest.len,
                    shown.rest.s);
            break;
    }
}

int forward_send(const str *uri, const char *bytes, unsigned int len)
{
    dest_info_t to;
    forward_found found = forward_find(uri, &to);
    int sent = found == FORWARD_KNOWN ? send_to(&to, bytes, len) : -1;

    if (sent < 0) {
        forward_failed(uri, found);
    }
    return sent < 0 ? sent : 1;
}
