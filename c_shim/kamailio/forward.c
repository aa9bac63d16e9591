/* How bytes go to a SIP URI: see forward.h. */
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "core/cfg/cfg_struct.h"
#include "core/dprint.h"
#include "core/pt.h"
#include "core/resolve.h"
#include "core/sr_module.h"

#include "convert.h"
#include "forward.h"
#include "host.h"

static forward_sender send_bytes = NULL;

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

int forward_reserve(forward_sender sender)
{
    send_bytes = sender;
    if (sc_forward_open(core) != SC_OK) {
        return 0;
    }
    if (has_script_engine()) {
        sc_forward_expect_any(core);
    }
    register_procs(1);
    return 1;
}

void forward_expect(const char *text)
{
    sc_bytes uri = { text, strlen(text) };

    if (strchr(text, '$') != NULL) {
        sc_forward_expect_any(core);
    } else {
        sc_forward_expect(core, uri);
    }
}

/* ---- sending ---- */

static int send_to(const sc_forward_target *target, const sc_bytes *bytes)
{
    struct ip_addr ip;
    dest_info_t to;

    init_dest_info(&to);
    from_address(&target->address, &ip);
    init_su(&to.to, &ip, target->address.port);
    to.proto = target->transport;
    return send_bytes(&to, bytes->ptr, (unsigned int)bytes->len);
}

/* Sends, or tells the core that it cannot be. */
static int send_or_tell(const sc_forward_target *target, sc_bytes uri, const sc_bytes *bytes)
{
    int sent = send_to(target, bytes);

    if (sent < 0) {
        sc_forward_failed(core, uri);
    }
    return sent < 0 ? sent : 1;
}

int forward_send(sc_bytes uri, sc_bytes bytes)
{
    sc_forward_verdict verdict = SC_FORWARD_LOST;
    sc_forward_target target;

    if (sc_forward_find(core, uri, bytes, &verdict, &target) != SC_OK || verdict == SC_FORWARD_LOST) {
        return -1;
    }
    return verdict == SC_FORWARD_HELD ? 1 : send_or_tell(&target, uri, &bytes);
}

/* ---- the process that looks names up ---- */

static sc_forward_target to_target(const union sockaddr_union *found, char proto)
{
    sc_forward_target target = { .transport = (uint8_t)proto };
    struct ip_addr ip;

    su2ip_addr(&ip, (union sockaddr_union *)found);
    target.address = to_address(&ip, su_getport(found));
    return target;
}

/* Asks the host's resolver, through its cache: NAPTR, SRV, A and AAAA, as far as port and transport are not told. */
static void look_up(const sc_forward_work *work)
{
    str name = { (char *)work->name.ptr, (int)work->name.len };
    char proto = (char)work->transport;
    union sockaddr_union found;
    sc_forward_target target;

    if (sip_hostport2su(&found, &name, work->port, &proto) != 0) {
        sc_forward_not_found(core);
        return;
    }
    target = to_target(&found, proto);
    sc_forward_found(core, &target);
}

static void work_once(void)
{
    sc_forward_work work;

    if (sc_forward_next(core, &work) != SC_OK) {
        sleep(1); /* logged; the server would end with this process */
        return;
    }
    switch (work.step) {
        case SC_FORWARD_LOOK_UP:
            look_up(&work);
            break;
        case SC_FORWARD_SEND_HELD:
            send_or_tell(&work.target, work.uri, &work.message);
            break;
        default:
            break;
    }
}

static void work_until_end_of(pid_t server, int sends)
{
    /* Nobody else would end this process with a server that was killed. One that was killed before this call sends no
     * signal, and is not the parent any more. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (sends) {
        sc_core_attach(core, process_no); /* to count what cannot be sent */
    }
    while (getppid() == server) {
        cfg_update();
        work_once();
    }
}

int forward_start(const sigset_t *signals)
{
    char description[] = MOD_NAME " resolver";
    pid_t server = getpid();
    uint8_t needed = 0, sends = 0;
    int pid;

    if (sc_forward_needs_process(core, &needed, &sends) != SC_OK || !needed) {
        return 1;
    }
    /* Only what sends needs a way to the host's connections. */
    pid = fork_process(PROC_NOCHLDINIT, description, sends);
    if (pid < 0) {
        LM_ERR("the resolver process cannot be started\n");
        return 0;
    }
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, signals, NULL);
        if (cfg_late_child_init() == 0) {
            work_until_end_of(server, sends);
        }
        _exit(0);
    }
    return 1;
}
