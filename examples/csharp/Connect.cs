// Connect a network resource, ask about it, and disconnect it. Written for Windows, runs unchanged on Linux.
//
//   mcs -out:connect.exe examples/csharp/Connect.cs
//   LD_LIBRARY_PATH=$PWD/target/release mono connect.exe '\\nas\photos' Z: [USER]
//
// A password, if one is needed, is read from standard input.
using System;
using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;

static class Connect
{
    const int RESOURCETYPE_DISK = 1;

    [StructLayout(LayoutKind.Sequential, CharSet = CharSet.Unicode)]
    class NetResource
    {
        public int Scope;
        public int ResourceType;
        public int DisplayType;
        public int Usage;
        public string LocalName;
        public string RemoteName;
        public string Comment;
        public string Provider;
    }

    [DllImport("mpr.dll", CharSet = CharSet.Unicode, SetLastError = true)]
    static extern int WNetAddConnection2(NetResource resource, string password, string username, int flags);

    [DllImport("mpr.dll", CharSet = CharSet.Unicode, SetLastError = true)]
    static extern int WNetGetConnection(string localName, StringBuilder remoteName, ref int length);

    [DllImport("mpr.dll", CharSet = CharSet.Unicode, SetLastError = true)]
    static extern int WNetCancelConnection2(string name, int flags, bool force);

    [DllImport("mpr.dll", CharSet = CharSet.Unicode)]
    static extern int WNetGetLastError(out int code, StringBuilder text, int textLength, StringBuilder name, int nameLength);

    static int Main(string[] args)
    {
        string remote = args[0], local = args[1];
        string user = args.Length > 2 ? args[2] : null;
        string password = user != null ? Console.ReadLine() : null;

        var resource = new NetResource { ResourceType = RESOURCETYPE_DISK, LocalName = local, RemoteName = remote };
        int status = WNetAddConnection2(resource, password, user, 0);
        if (status != 0)
            return Fail("connecting " + remote, status);

        int length = 1024;
        var name = new StringBuilder(length);
        status = WNetGetConnection(local, name, ref length);
        if (status != 0)
            return Fail("asking about " + local, status);
        Console.WriteLine(local + " is " + name);

        status = WNetCancelConnection2(local, 0, false);
        if (status != 0)
            return Fail("disconnecting " + local, status);
        Console.WriteLine(local + " is free again");
        return 0;
    }

    static int Fail(string what, int status)
    {
        // Before anything else is called: the runtime itself may replace it.
        int last = Marshal.GetLastWin32Error();
        int code;
        var text = new StringBuilder(1024);
        var name = new StringBuilder(1024);
        WNetGetLastError(out code, text, text.Capacity, name, name.Capacity);
        Console.Error.WriteLine(what + ": error " + status + ", last error " + last + ", " + text);
        return 1;
    }
}
