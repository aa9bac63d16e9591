/* How bytes go to a SIP URI: see forward.h. */
#include <string.h>
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

/* A name, the port and transport that it is asked for with, and what was found. All zero: a free place. */
typedef struct known_name {
    char name[NAME_SIZE];
    int len;
    unsigned short port;
    char proto;
    time_t used;
    time_t tried;           /* 0: never */
    int failed;             /* whether the last try failed */
    int known;              /* whether `to` holds an address, be it an old one */
    union sockaddr_union to;
    char to_proto;
} known_name;

typedef struct name_table {
    gen_lock_t lock;
    known_name names[NAMES];
} name_table;

static name_table *table = NULL;
static int expected = 0; /* whether names are expected, and not only addresses */

int forward_reserve(void)
{
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
           && memcmp(known->name, name->s, name->len) == 0;
}

/* The place of a name; a new one is put where there is room. The table is locked. */
static known_name *place_of(const str *name, unsigned short port, char proto)
{
    known_name *place = &table->names[0];

    for (known_name *known = table->names; known < table->names + NAMES; known++) {
        if (is_name(known, name, port, proto)) {
            return known;
        }
        if (known->used < place->used) {
            place = known;
        }
    }
    memset(place, 0, sizeof(*place));
    memcpy(place->name, name->s, name->len);
    place->len = name->len;
    place->port = port;
    place->proto = proto;
    return place;
}

static int parse(const str *uri, sip_uri_t *parsed)
{
    memset(parsed, 0, sizeof(*parsed));
    return uri->s != NULL && uri->len > 0 && parse_uri(uri->s, uri->len, parsed) == 0 && parsed->host.len > 0
           && parsed->host.len < NAME_SIZE;
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
        place_of(&parsed.host, parsed.port_no, parsed.proto)->used = time(NULL);
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
            }
        }
        lock_release(&table->lock);
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

int forward_start(const sigset_t *signals)
{
    char description[] = MOD_NAME " resolver";
    pid_t server = getpid();
    int pid;

    if (table == NULL || (!expected && !has_script_engine())) {
        return 1;
    }
    pid = fork_process(PROC_NOCHLDINIT, description, 0);
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

/* Fills in address and transport; 0 when the name is not known, or not yet. */
static int find(dest_info_t *to, sip_uri_t *uri)
{
    struct ip_addr *ip = str2ip(&uri->host);
    known_name *known;
    int found;

    if (ip == NULL) {
        ip = str2ip6(&uri->host);
    }
    if (ip != NULL) {
        int port = uri->port_no != 0 ? uri->port_no : uri->proto == PROTO_TLS ? SIPS_PORT : SIP_PORT;
        to->proto = uri->proto;
        return init_su(&to->to, ip, port) == 0;
    }
    if (table == NULL) {
        return 0;
    }
    lock_get(&table->lock);
    known = place_of(&uri->host, uri->port_no, uri->proto);
    known->used = time(NULL);
    found = known->known;
    if (found) {
        to->to = known->to;
        to->proto = known->to_proto;
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

int forward_find(const str *uri, dest_info_t *to)
{
    sip_uri_t parsed;

    init_dest_info(to);
    if (!parse(uri, &parsed)) {
        if (may_log()) {
            LM_ERR("\"%.*s\" is no SIP URI; sip:host[:port][;transport=udp|tcp|tls|sctp] is allowed\n", uri->len, uri->s);
        }
        return 0;
    }
    if (!find(to, &parsed)) {
        if (may_log()) {
            LM_WARN("nothing is sent to %.*s: its address is not known yet\n", uri->len, uri->s);
        }
        return 0;
    }
    if (to->proto == PROTO_NONE) {
        to->proto = PROTO_UDP;
    }
    return 1;
}

void forward_failed(const str *uri)
{
    if (may_log()) {
        LM_ERR("nothing is sent to %.*s: no socket of that transport, or the send failed\n", uri->len, uri->s);
    }
}

int forward_send(const str *uri, const char *bytes, unsigned int len)
{
    dest_info_t to;
    int sent;

    if (!forward_find(uri, &to)) {
        return -1;
    }
    sent = send_to(&to, bytes, len);
    if (sent < 0) {
        forward_failed(uri);
    }
    return sent < 0 ? sent : 1;
}
