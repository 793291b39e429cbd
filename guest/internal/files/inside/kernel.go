package inside

import "golang.org/x/sys/unix"

// Magic numbers that the package we use does not name.
const (
	configfsMagic  = 0x62656570
	mqueueMagic    = 0x19800202
	fusectlMagic   = 0x65735543
	nfsdMagic      = 0x6e667364
	rpcpipefsMagic = 0x67596969
	apparmorMagic  = 0x5a3c69f0
)

// kernelFile tells the file systems in which names are knobs and views of the kernel, and no files.
func kernelFile(magic uint32) bool {
	switch magic {
	case unix.PROC_SUPER_MAGIC,
		unix.SYSFS_MAGIC,
		unix.CGROUP_SUPER_MAGIC,
		unix.CGROUP2_SUPER_MAGIC,
		unix.DEVPTS_SUPER_MAGIC,
		unix.SECURITYFS_MAGIC,
		unix.SELINUX_MAGIC,
		unix.SMACK_MAGIC,
		unix.DEBUGFS_MAGIC,
		unix.TRACEFS_MAGIC,
		unix.BPF_FS_MAGIC,
		unix.BINFMTFS_MAGIC,
		unix.EFIVARFS_MAGIC,
		unix.PSTOREFS_MAGIC,
		unix.NSFS_MAGIC,
		unix.RDTGROUP_SUPER_MAGIC,
		unix.BINDERFS_SUPER_MAGIC,
		unix.XENFS_SUPER_MAGIC,
		unix.USBDEVICE_SUPER_MAGIC,
		unix.ANON_INODE_FS_MAGIC,
		unix.SOCKFS_MAGIC,
		unix.PIPEFS_MAGIC,
		unix.PID_FS_MAGIC,
		unix.DEVMEM_MAGIC,
		configfsMagic,
		mqueueMagic,
		fusectlMagic,
		nfsdMagic,
		rpcpipefsMagic,
		apparmorMagic:
		return true
	}
	return false
}

// RefuseKernel fails with ErrForbidden when an open file lies on a kernel file system.
func RefuseKernel(fd int) error {
	var info unix.Statfs_t
	for {
		err := unix.Fstatfs(fd, &info)
		if err == unix.EINTR {
			continue
		}
		if err == nil && kernelFile(uint32(info.Type)) {
			return ErrForbidden
		}
		return err
	}
}
