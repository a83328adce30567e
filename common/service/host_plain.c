/* main() of a service that is a process of its own, with one thread that matters. */
#include "loop/slice.h"
#include "service/bus_open.h"
#include "service/inside.h"

int main(int argc, char **argv)
{
    struct service service;
    int code = SERVICE_EXIT_OK;
    if (!service_prepare(&service, &service_definition, argc, argv, &code))
        return code;
    if (service_definition.prompt && service.settings.service_prompt)
        slice_set(SLICE_SHORT_US); /* before there are threads, which inherit it */
    if (service_open(&service, true, &code)) {
        struct error error;
        service.bus = bus_open(service.loop, &service.settings, &error);
        code = service.bus != NULL ? service_run(&service)
                                   : service_fail(&service, SERVICE_EXIT_SETTINGS, &error);
    }
    service_close(&service);
    return code;
}
