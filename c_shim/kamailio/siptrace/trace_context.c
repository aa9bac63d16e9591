/*
 * What a call of sip_trace() has asked for, while transactions and dialogs need it: see siptrace.h.
 *
 * A dialog outlives its first transaction, and the transaction of its BYE outlives the dialog, so none of them can be
 * the one to free the context. Each callback that is registered with this host holds a reference, and releases it when
 * the host forgets the callback.
 */
#include <string.h>

#include "core/dprint.h"
#include "core/mem/shm_mem.h"
#include "core/xavp.h"

#include "siptrace.h"

/* The name of the value in a message's context; the stock module's. */
static str value_name = str_init("trace_info");

/* Copies `text` to `place`; answers the place behind the copy. */
static char *put(str *copy, char *place, const str *text)
{
    copy->s = place;
    copy->len = text->s != NULL && text->len > 0 ? text->len : 0;
    if (copy->len > 0) {
        memcpy(place, text->s, copy->len);
    }
    return place + copy->len;
}

trace_context *trace_context_copy(const trace_context *context)
{
    size_t texts = (context->destination.len > 0 ? context->destination.len : 0)
                   + (context->correlation.len > 0 ? context->correlation.len : 0);
    trace_context *kept = shm_malloc(sizeof(*kept) + texts + 1);

    if (kept == NULL) {
        LM_ERR("no shared memory left\n");
        return NULL;
    }
    kept->holders = 1;
    kept->has_destination = context->has_destination;
    put(&kept->correlation, put(&kept->destination, (char *)(kept + 1), &context->destination), &context->correlation);
    return kept;
}

trace_context *trace_context_hold(trace_context *context)
{
    __atomic_add_fetch(&context->holders, 1, __ATOMIC_RELAXED);
    return context;
}

/* Drops a reference; answers whether it was the last one. */
static int drop(trace_context *context)
{
    return __atomic_sub_fetch(&context->holders, 1, __ATOMIC_ACQ_REL) == 0;
}

void trace_context_release(void *context)
{
    if (context != NULL && drop(context)) {
        shm_free(context);
    }
}

/* The context of a message is freed with or without shared memory locked; `free_shared` is the function that fits. */
static void release_value(void *context, sr_xavp_sfree_f free_shared)
{
    if (context != NULL && drop(context)) {
        free_shared(context);
    }
}

int trace_context_attach(trace_context *context)
{
    sr_xval_t value;
    sr_data_t *data = shm_malloc(sizeof(*data));

    if (data == NULL) {
        LM_ERR("no shared memory left\n");
        return 0;
    }
    data->p = trace_context_hold(context);
    data->pfree = release_value;
    memset(&value, 0, sizeof(value));
    value.type = SR_XTYPE_DATA;
    value.v.data = data;
    if (xavp_add_value(&value_name, &value, NULL) == NULL) {
        LM_ERR("no shared memory left\n");
        trace_context_release(context);
        shm_free(data);
        return 0;
    }
    return 1;
}

trace_context *trace_context_of_message(void)
{
    sr_xavp_t *found = xavp_get(&value_name, NULL);

    /* A script may have values of its own by this name. */
    if (found == NULL || found->val.type != SR_XTYPE_DATA || found->val.v.data == NULL
        || found->val.v.data->pfree != release_value) {
        return NULL;
    }
    return found->val.v.data->p;
}
