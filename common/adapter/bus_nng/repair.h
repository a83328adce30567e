/* Two repairs of nng 1.5.2, the version of Debian 12, without which a bus can fall silent for ever,
 * and one restraint. They stand where libnng itself finds them: it calls nng_stream_recv,
 * nng_stream_send, sendmsg and sysconf through its symbol table, in which a program's definition
 * comes first. Inside bus_nng only.
 *
 * 1. A refused operation that nobody hears of. The ipc and tcp transports read a message in two
 * steps, its length and its body, with one aio. Closing a connection stops that aio; when this
 * happens between the steps, the second nng_stream_recv is refused, and in 1.5.2 a refused aio
 * never calls back. The reader above waits for ever, nng's only reaper thread waits for the reader,
 * and with it every later nng_close and every reconnection in the process (nng issues 1543 and
 * 1813; repaired upstream in 1.8). Partly written messages have the same fault. A busy bus meets it
 * at every other close. Repair: after nng's own function, an aio that was refused is ended with
 * NNG_ECLOSED, so that its callback runs and fails its readers as it should. A refused aio has the
 * result NNG_ECANCELED and no operation under way; an accepted one could only show the same when
 * somebody cancelled it meanwhile, and cancelling goes through the lock of the connection, which
 * the transport holds during this call.
 *
 * 2. A peer that hangs up at the door. EPIPE becomes NNG_ECLOSED, which listeners and dialers take
 * for their own end: a client that dies between connecting and its first byte leaves a server that
 * accepts nobody any more, and a server that dies there a client that never dials again. Repair: to
 * libnng, EPIPE is ECONNRESET, which both take as what it is.
 *
 * 3. Two threads for nng's tasks. 1.5.2 starts two for each processor, and offers no way to say how
 * many (nng_init_set_parameter came later). A message passes through several tasks, one after the
 * other, and each wakes the next idle thread, on another processor where one idles: the more
 * threads, the more of a message's way is futexes and context switches. The callbacks of this
 * adapter only hand over to the loop, so two are plenty: to libnng, the machine has one processor.
 * Measured with batches of shares, the processor time of both ends falls by a quarter. */
#pragma once

/* Aborts where the repairs are needed and not in place (this program was not linked as it must be).
 * Any thread. */
void repair_check(void);
