/* main() of a service that is a process of its own, with one thread that matters. */
#include "adapter/bus_nng/bus_nng.h"
#include "service/inside.h"

int main(int argc, char **argv)
{
    struct service service;
    int code = SERVICE_EXIT_OK;
    if (!service_prepare(&service, &service_definition, argc, argv, &code))
        return code;
    if (service_open(&service, true, &code)) {
        struct error error;
        service.bus = bus_nng_create(service.loop, &error);
        code = service.bus != NULL ? service_run(&service)
                                   : service_fail(&service, SERVICE_EXIT_BUG, &error);
    }
    service_close(&service);
    return code;
}
