/* runtime/tools/plx_info/dump.h: reading a heap that the verifier left (gc/collect/verify_dump.h). */
#ifndef PLX_INFO_DUMP_H
#define PLX_INFO_DUMP_H

/* Print what the file holds; with an address (hexadecimal, or NULL) what is there, who refers to it, and
 * what happened to its region. An exit status. */
int dump_print(const char *path, const char *address);

#endif
