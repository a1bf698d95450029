#include "app/node.h"

#include "port/port.h"

/* --------------------------------------------------------------------------------------------------- boot */

/* Bring in force what the settings say. */
static void apply_settings(struct node *node)
{
    const struct settings_record *settings = &node->parts.settings.in_force;
    const struct port_line line = settings_line(&node->parts.settings);
    node->server.address = line.address;
    port_rs485_open(&line, &node->parts.link);
    sampler_debounce(&node->parts.sampler, settings->debounce);
    trust_settings(&node->parts.trust, settings->lock, settings->broadcasts != 0);
}

void node_boot(struct node *node)
{
    struct parts *parts = &node->parts;
    sampler_boot(&parts->sampler);
    fingerprint_boot(&parts->fingerprint);
    events_boot(&parts->events, &parts->sampler);
    events_add(&parts->events, WIRE_EVENT_KIND_START, (uint16_t)port_start()->cause, 0, NULL, 0);
    parts->sampling = (struct sampling){
        .sampler = &parts->sampler,
        .events = &parts->events,
        .refusal = &parts->refusal,
    };
    parts->refusal.events = &parts->events;
    if (!port_on_crystal())
        refusal_fault(&parts->refusal, WIRE_REASON_CRYSTAL, 0);
    wear_boot(&parts->wear, &parts->refusal);
    trust_boot(&parts->trust, &parts->refusal);
    settings_boot(&parts->settings, &parts->refusal, &parts->wear);
    watch_boot(&parts->watch, &parts->link, &parts->settings, &parts->neuron, &parts->events);
    parts->search = (struct search){.settings = &parts->settings};
    trainer_init(&parts->trainer, port_arena());
    neuron_boot(&parts->neuron, &parts->refusal, &parts->events);
    models_boot(&parts->models, &parts->neuron, &parts->trainer, &parts->trust, &parts->refusal,
                &parts->wear);
    parts->trial = (struct trial){.models = &parts->models, .refusal = &parts->refusal};
    parts->session = (struct session){
        .models = &parts->models,
        .trial = &parts->trial,
        .trust = &parts->trust,
        .refusal = &parts->refusal,
    };
    parts->commands = (struct commands){
        .trust = &parts->trust,
        .refusal = &parts->refusal,
        .models = &parts->models,
        .trial = &parts->trial,
        .settings = &parts->settings,
        .trainer = &parts->trainer,
    };
    parts->orders = (struct orders){
        .trust = &parts->trust,
        .refusal = &parts->refusal,
        .commands = &parts->commands,
        .session = &parts->session,
        .neuron = &parts->neuron,
        .events = &parts->events,
    };
    parts->status = (struct status){
        .link = &parts->link,
        .refusal = &parts->refusal,
        .neuron = &parts->neuron,
        .models = &parts->models,
        .settings = &parts->settings,
        .trainer = &parts->trainer,
        .trust = &parts->trust,
        .watch = &parts->watch,
    };
    parts->hops = (struct hops){
        .sampler = &parts->sampler,
        .neuron = &parts->neuron,
        .events = &parts->events,
        .status = &parts->status,
        .link = &parts->link,
    };
    node->server.data = registers_join(&node->registers, parts);
    apply_settings(node);
}

/* -------------------------------------------------------------------------------------------------- serve */

size_t node_serve(struct node *node, const uint8_t *request, size_t size, uint8_t *reply)
{
    const uint16_t overruns = node->parts.link.overruns;
    node->server.counters.overruns += (uint16_t)(overruns - node->overruns);
    node->overruns = overruns;
    node->registers.busy = false;
    if (node->parts.neuron.news) /* of the last request, before this one undoes it */
        neuron_tell(&node->parts.neuron);
    node->parts.trust.broadcast = size > 0 && request[0] == MODBUS_BROADCAST;
    const uint16_t heard = node->server.counters.server_messages;
    const size_t answered = modbus_serve(&node->server, request, size, reply);
    /* A request that sets the counters to 0 is answered. */
    if (answered > 0 || node->server.counters.server_messages != heard)
        link_heard(&node->parts.link, request[1]);
    if (node->registers.busy && request[0] == MODBUS_BROADCAST)
        node->parts.link.missed++; /* nobody hears the exception */
    return answered;
}

void node_listen(struct node *node)
{
    struct link *link = &node->parts.link;
    size_t size;
    const uint8_t *request = link_receive(link, &size);
    if (!request)
        return;
    size = node_serve(node, request, size, link->reply);
    link_done(link);
    if (size > 0)
        link_send(link, size);
}

/* --------------------------------------------------------------------------------------------------- work */

/* Of the running image, checked in a round: idle, and beside a training, which it may not slow down. */
#define CHECK_BYTES 256u
#define CHECK_BYTES_BESIDE 16u

/* There is one flash: a store that has begun goes on before another begins. While a session waits for GO none erases
 * ahead of need, which would stall the node. */
static bool step_stores(struct parts *parts)
{
    const bool waits = session_waits(&parts->session);
    if (parts->settings.store.step != STORE_STEP_IDLE)
        return settings_step(&parts->settings);
    if (parts->trust.store.step != STORE_STEP_IDLE)
        return trust_step(&parts->trust);
    if (!(waits && store_rests(&parts->models.store)) && models_step(&parts->models))
        return true;
    if (!(waits && store_rests(&parts->settings.store)) && settings_step(&parts->settings))
        return true;
    return !(waits && store_rests(&parts->trust.store)) && trust_step(&parts->trust);
}

/* What waits for a quiet bus, but not for longer than that. */
#define PATIENCE_MS 10u

static void keep_watch(struct node *node)
{
    struct parts *parts = &node->parts;
    node->watched = port_millis();
    trust_watch(&parts->trust);
    sampling_step(&parts->sampling);
    watch_step(&parts->watch);
    search_watch(&parts->search);
    trial_step(&parts->trial, parts->watch.lost);
    hops_follow(&parts->hops);
    neuron_tell(&parts->neuron);
}

/* While the signature of an order is checked: all but what works in the flash, trains, or reads through what has time. */
static void meanwhile(void *served)
{
    struct node *node = served;
    struct parts *parts = &node->parts;
    node_listen(node);
    if (link_quiet(&parts->link) || port_millis() - node->watched >= PATIENCE_MS)
        keep_watch(node);
    if (parts->neuron.senses)
        hops_step(&parts->hops);
    node_show(node);
}

bool node_work(struct node *node)
{
    struct parts *parts = &node->parts;
    const bool quiet = link_quiet(&parts->link);
    if (quiet || port_millis() - node->watched >= PATIENCE_MS)
        keep_watch(node);
    const bool hopping = parts->neuron.senses && hops_step(&parts->hops);
    const bool training = parts->trainer.state == WIRE_TRAINING_RUNNING && trainer_step(&parts->trainer);
    if (!quiet)
        return training || hopping; /* the bus comes first: no stall of the flash may fall into a frame */
    if (!training)
        models_take_learnt(&parts->models);
    if (parts->commands.restart)
        port_reset();
    if (orders_step(&parts->orders, meanwhile, node))
        return true;
    wear_step(&parts->wear);
    parts->refusal.waits = (commands_saving(&parts->commands) || parts->trust.saving) && !port_supply_good();
    if (settings_take_change(&parts->settings))
        apply_settings(node);
    const bool storing = step_stores(parts);
    bool reading = false;
    if (!storing) {
        reading = !training && fingerprint_step(&parts->fingerprint);
        reading |= session_step(&parts->session);
        models_check(&parts->models, training ? CHECK_BYTES_BESIDE : CHECK_BYTES);
    }
    hops_follow(&parts->hops); /* a model that has begun, before the next request */
    return storing || training || hopping || reading;
}

void node_show(struct node *node)
{
    port_led(neuron_lamp(&node->parts.neuron));
}
