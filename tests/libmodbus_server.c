/* A Modbus server made of libmodbus: an independent peer for the edge agent.
 *
 *   libmodbus_server tcp         listens on a free port of 127.0.0.1 and prints it
 *   libmodbus_server rtu DEVICE  answers as unit 1 on a serial port, 9600 8N1, and prints "ready"
 *
 * Holding registers 0 to 7 hold 97.25 in the orders ABCD, DCBA, BADC and CDAB, laid out here:
 * libmodbus 3.1.6 means the bytes in its own memory by these names, which a little-endian
 * machine sends the other way round. Input register n holds 3 n; coil n is set where n is a multiple of 3,
 * discrete input n where n is even. It ends with its standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *end_with_input(void *unused)
{
    char byte;
    while (read(0, &byte, 1) > 0) {}
    _exit(0);
    return unused;
}

static modbus_mapping_t *registers(void)
{
    modbus_mapping_t *map = modbus_mapping_new(32, 32, 32, 32);
    if (map == NULL) exit(3);
    /* 97.25 is 42 C2 80 00: A B C D. */
    static const uint16_t floats[8] = {0x42C2, 0x8000, 0x0080, 0xC242,
                                       0xC242, 0x0080, 0x8000, 0x42C2};
    memcpy(map->tab_registers, floats, sizeof floats);
    for (int n = 0; n < 32; n++) {
        map->tab_input_registers[n] = 3 * n;
        map->tab_bits[n] = n % 3 == 0;
        map->tab_input_bits[n] = n % 2 == 0;
    }
    return map;
}

static int answer(modbus_t *line, modbus_mapping_t *map, int until_it_hangs_up)
{
    unsigned char query[MODBUS_TCP_MAX_ADU_LENGTH];
    for (;;) {
        int length = modbus_receive(line, query);
        if (length > 0) modbus_reply(line, query, length, map);
        else if (length < 0 && until_it_hangs_up) return 0;
    }
}

int main(int count, char **words)
{
    pthread_t watching;
    modbus_mapping_t *map = registers();
    pthread_create(&watching, NULL, end_with_input, NULL);
    if (count == 3 && strcmp(words[1], "rtu") == 0) {
        modbus_t *line = modbus_new_rtu(words[2], 9600, 'N', 8, 1);
        if (line == NULL || modbus_set_slave(line, 1) || modbus_connect(line)) return 1;
        puts("ready");
        fflush(stdout);
        return answer(line, map, 0);
    }
    struct sockaddr_in place;
    socklen_t size = sizeof place;
    modbus_t *line = modbus_new_tcp("127.0.0.1", 0);
    int listening = line == NULL ? -1 : modbus_tcp_listen(line, 1);
    if (listening < 0 || getsockname(listening, (struct sockaddr *) &place, &size)) return 1;
    printf("%d\n", ntohs(place.sin_port));
    fflush(stdout);
    for (;;) {
        if (modbus_tcp_accept(line, &listening) >= 0) answer(line, map, 1);
        modbus_close(line);
    }
}
