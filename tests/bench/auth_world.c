#include "auth_world.h"

#include "figures.h"
#include "parts.h"
#include "process.h"
#include "sample.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VARIABLES_MAX = 8 };
#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"

static struct {
    char folder[64];
    unsigned http_port, admin_port;
    struct process process;
} world;

int auth_world_request(const char *method, const char *path, const char *headers, const char *body,
                       char answer_r[AUTH_ANSWER_BYTES])
{
    char text[3000];
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)world.http_port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status = 0;
    int length = snprintf(text, sizeof text,
                          "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu"
                          "\r\n\r\n%s",
                          method, path, headers, strlen(body), body);
    size_t used = 0;
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        send(fd, text, (size_t)length, MSG_NOSIGNAL) == length) {
        ssize_t got;
        while (used < AUTH_ANSWER_BYTES - 1 &&
               (got = recv(fd, answer_r + used, AUTH_ANSWER_BYTES - 1 - used, 0)) > 0)
            used += (size_t)got;
    }
    answer_r[used] = '\0';
    if (fd >= 0)
        close(fd);
    return sscanf(answer_r, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", world.folder, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        bench_fail("%s cannot be written", path);
    close(fd);
}

void auth_world_start(const char *const *variables)
{
    char program[300], http[64], admin[64];
    world.http_port = process_free_port();
    world.admin_port = process_free_port();
    snprintf(http, sizeof http, "ADIT_AUTH__HTTP_ADDRESS=127.0.0.1:%u", world.http_port);
    snprintf(admin, sizeof admin, "ADIT_AUTH__ADMIN_ADDRESS=127.0.0.1:%u", world.admin_port);
    const char *all[VARIABLES_MAX + 3] = { http, admin };
    for (size_t i = 0; variables != NULL && variables[i] != NULL && i < VARIABLES_MAX; i++)
        all[i + 2] = variables[i];
    const char *arguments[] = { process_program("auth", program), "--data", world.folder, NULL };
    process_start(&world.process, world.folder, "auth", arguments, all, true);
    process_wait_ready(&world.process, 30);
}

void auth_world_begin(const char *const *variables)
{
    char path[96];
    snprintf(world.folder, sizeof world.folder, "/tmp/adit-auth-bench-XXXXXX");
    if (mkdtemp(world.folder) == NULL)
        bench_fail("no folder for the benchmark");
    write_file("secret", SECRET);
    snprintf(path, sizeof path, "%s/run", world.folder);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/log", world.folder);
    (void)mkdir(path, 0700);
    auth_world_start(variables);
}

void auth_world_stop(void)
{
    process_end(&world.process);
}

void auth_world_end(void)
{
    char command[128];
    auth_world_stop();
    snprintf(command, sizeof command, "rm -rf %s", world.folder);
    if (system(command) != 0)
        figures_say("%s was left behind", world.folder);
}

const char *auth_world_folder(void)
{
    return world.folder;
}

void auth_world_person(const char *name, char *body_r, unsigned bytes)
{
    snprintf(body_r, bytes,
             "{\"name\":\"%s\",\"email\":\"%s@example.org\",\"password\":\"four sheep by the "
             "gate\",\"payout_address\":\"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\"}",
             name, name);
}
