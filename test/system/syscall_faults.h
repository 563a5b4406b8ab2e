/* test/system/syscall_faults.h: what each call of the system-call table may fail with.
 *
 * ENTRY(entry, lasting, errors)		a call
 * ENTRY_REQUEST(request, lasting, errors)	an ioctl of a userfaultfd, or of its device
 *
 * `lasting`: the first of its errors may go on for ever (a limit that was reached, a policy, a kernel without it),
 * and then everything still has to work. PARTIAL: the first half is done, then EAGAIN. ENOMEM of mmap, munmap, mremap
 * and mprotect is also what vm.max_map_count gives. EEXIST and ENOENT are those of a page that another thread has
 * attached meanwhile, and of a range whose mapping is changing. */
/* clang-format off */
ENTRY(memfd_create, true, EMFILE, ENOSYS, EPERM)
ENTRY(add_seals, true, EPERM, EINVAL)
ENTRY(ftruncate, true, EINVAL, EINTR)
ENTRY(file_limit, true, EINVAL)
ENTRY(fallocate, true, ENOSPC, ENOMEM, EINTR)
ENTRY(mmap, true, ENOMEM, EPERM)
ENTRY(munmap, true, ENOMEM)
ENTRY(mremap, true, ENOMEM, EINVAL, EFAULT, EPERM)
ENTRY(madvise, true, ENOMEM, EAGAIN, EINVAL)
ENTRY(mprotect, true, ENOMEM)
ENTRY(mincore, true, ENOMEM, EAGAIN)
ENTRY(open, true, ENOENT, EACCES, EMFILE)
ENTRY(close, true, EINTR)
ENTRY(read, false, EAGAIN, EINTR)
ENTRY(write, false, EINTR, EAGAIN)
ENTRY_REQUEST(GC_USERFAULTFD_IOC_NEW, true, EMFILE, ENOMEM, EPERM)
ENTRY_REQUEST(GC_UFFDIO_API, true, EINVAL, EPERM)
ENTRY_REQUEST(GC_UFFDIO_REGISTER, true, ENOMEM, EINVAL, EPERM)
ENTRY_REQUEST(GC_UFFDIO_UNREGISTER, false, ENOMEM, EINVAL) /* until it succeeds: nothing else disarms a page */
ENTRY_REQUEST(GC_UFFDIO_WAKE, false, EAGAIN, EINVAL)
ENTRY_REQUEST(GC_UFFDIO_COPY, false, EAGAIN, PARTIAL, EEXIST, ENOENT, ENOMEM, EINTR)
ENTRY_REQUEST(GC_UFFDIO_CONTINUE, false, EAGAIN, PARTIAL, EEXIST, ENOENT, ENOMEM, EINTR)
ENTRY(poll, false, EINTR)
ENTRY(random, true, ENOSYS, EAGAIN)
ENTRY(userfaultfd, true, EPERM, ENOSYS, EMFILE)
ENTRY(eventfd, true, EMFILE)
ENTRY(sigaction, true, EINVAL)
ENTRY(thread_mask, true, EINVAL)
ENTRY(sigaltstack, true, ENOMEM)
ENTRY(futex, false, EINTR, EAGAIN)
ENTRY(thread_create, true, EAGAIN)
ENTRY(thread_signal, true, EAGAIN)
ENTRY(stack_bounds, true, ENOMEM, ENOENT) /* with GC_STACKS=ambiguous */
/* clang-format on */
