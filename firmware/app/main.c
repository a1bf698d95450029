#include "app/node.h"
#include "port/port.h"

int main(int argc, char **argv)
{
    static struct node node;

    port_init(argc, argv);
    node_boot(&node);
    for (;;) {
        node_listen(&node);
        bool more = node_work(&node);
        node_show(&node);
        port_idle(more);
    }
}
