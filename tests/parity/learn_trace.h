/* Included by learn_trace.c for each type. */
static int TRACE(const struct learn_config *config)
{
    REAL *settings = read_block(3, sizeof(REAL));
    uint32_t count = CALL(count)(config);
    REAL *start = read_block(count, sizeof(REAL));
    REAL *x = read_block((size_t)config->samples * config->units[0], sizeof(REAL));
    REAL *y = read_block((size_t)config->samples * config->units[config->layers], sizeof(REAL));
    REAL *weights = block(config->samples, sizeof(REAL));
    bool weighted = fread(weights, sizeof(REAL), config->samples, stdin) == config->samples;
    size_t size = CALL(size)(config);
    void *workspace = block(1, size);
    struct TYPE learner;
    int error = CALL(begin)(&learner, config, x, y, settings[0], settings[1], workspace, size);
    if (error != LEARN_OK) {
        free(settings);
        free(start);
        free(x);
        free(y);
        free(weights);
        free(workspace);
        return 1 - error;
    }
    memcpy(learner.parameters, start, count * sizeof(REAL));
    learner.weights = weighted ? weights : NULL;
    learner.l2 = settings[2];
    enum learn_progress progress;
    while ((progress = CALL(sample)(&learner)) != LEARN_ENDED)
        if (progress != LEARN_SAMPLED) {
            fwrite(&learner.loss, sizeof(REAL), 1, stdout);
            fwrite(learner.parameters, sizeof(REAL), count, stdout);
        }
    free(settings);
    free(start);
    free(x);
    free(y);
    free(weights);
    free(workspace);
    return 0;
}
#undef TRACE
#undef REAL
#undef CALL
#undef TYPE
