/* Network types, as NPGetCaps(WNNC_NET_TYPE) answers them and WNetGetProviderName takes them: the type in the
 * high word, a subtype of the provider's own in the low one.
 */
#ifndef MPR_WNNC_H
#define MPR_WNNC_H

#define WNNC_NET_MSNET 0x00010000
#define WNNC_NET_SMB 0x00020000
#define WNNC_NET_LANMAN WNNC_NET_SMB
#define WNNC_NET_NETWARE 0x00030000
#define WNNC_NET_VINES 0x00040000
#define WNNC_NET_CSC 0x00260000
#define WNNC_NET_3IN1 0x00270000
#define WNNC_NET_EXTENDNET 0x00290000
#define WNNC_NET_DAV 0x002E0000
#define WNNC_NET_TERMSRV 0x00360000
#define WNNC_NET_OPENAFS 0x00390000
#define WNNC_NET_DFS 0x003B0000
#define WNNC_NET_VMWARE 0x003F0000
#define WNNC_NET_RSFX 0x00400000
#define WNNC_NET_MFILES 0x00410000
#define WNNC_NET_MS_NFS 0x00420000
#define WNNC_NET_GOOGLE 0x00430000
#define WNNC_NET_NDFS 0x00440000

/* Not a network, but a module with NPLogonNotify and NPPasswordChangeNotify. */
#define WNNC_CRED_MANAGER 0xFFFF0000

#endif
