/*
 * What a call of sip_trace() has asked for, while transactions and dialogs need it: see siptrace.h.
 *
 * A dialog outlives its first transaction, and the transaction of its BYE outlives the dialog, so nobody of them can be the one to free it. Each
 * callback that is registered with this host holds what it is given, and lets go when the host forgets the callback.
 */
#include <string.h>

#include "core/dprint.h"
#include "core/mem/shm_mem.h"
#include "core/xavp.h"

#include "siptrace.h"

static str left_name = str_init("trace_info");

/* A copy of `text` at `place`; the place behind it. */
static char *put(str *copy, char *place, const str *text)
{
    copy->s = place;
    copy->len = text->s != NULL && text->len > 0 ? text->len : 0;
    if (copy->len > 0) {
        memcpy(place, text->s, copy->len);
    }
    return place + copy->len;
}

tracing *tracing_keep(const tracing *what)
{
    size_t texts = (what->destination.len > 0 ? what->destination.len : 0)
                   + (what->correlation.len > 0 ? what->correlation.len : 0);
    tracing *kept = shm_malloc(sizeof(*kept) + texts + 1);

    if (kept == NULL) {
        LM_ERR("no shared memory left\n");
        return NULL;
    }
    kept->holders = 1;
    kept->has_destination = what->has_destination;
    kept->is_mode = 0;
    put(&kept->correlation, put(&kept->destination, (char *)(kept + 1), &what->destination), &what->correlation);
    return kept;
}

tracing *tracing_hold(tracing *what)
{
    __atomic_add_fetch(&what->holders, 1, __ATOMIC_RELAXED);
    return what;
}

/* Whether that was the last holder. */
static int let_go(tracing *what)
{
    return __atomic_sub_fetch(&what->holders, 1, __ATOMIC_ACQ_REL) == 0;
}

void tracing_release(void *what)
{
    if (what != NULL && let_go(what)) {
        shm_free(what);
    }
}

/* The context of a message is freed with or without shared memory locked; `free_shared` is the function that fits. */
static void release_left(void *what, sr_xavp_sfree_f free_shared)
{
    if (what != NULL && let_go(what)) {
        free_shared(what);
    }
}

int tracing_leave(tracing *what)
{
    sr_xval_t value;
    sr_data_t *left = shm_malloc(sizeof(*left));

    if (left == NULL) {
        LM_ERR("no shared memory left\n");
        return 0;
    }
    left->p = tracing_hold(what);
    left->pfree = release_left;
    memset(&value, 0, sizeof(value));
    value.type = SR_XTYPE_DATA;
    value.v.data = left;
    if (xavp_add_value(&left_name, &value, NULL) == NULL) {
        LM_ERR("no shared memory left\n");
        tracing_release(what);
        shm_free(left);
        return 0;
    }
    return 1;
}

tracing *tracing_left(void)
{
    sr_xavp_t *left = xavp_get(&left_name, NULL);

    /* A script may have values of its own by this name. */
    if (left == NULL || left->val.type != SR_XTYPE_DATA || left->val.v.data == NULL || left->val.v.data->pfree != release_left) {
        return NULL;
    }
    return left->val.v.data->p;
}
