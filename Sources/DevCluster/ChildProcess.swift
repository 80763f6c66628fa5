// SPDX-License-Identifier: Apache-2.0

import Model

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A process that this one started, and that does not outlive it.
///
/// It runs under `setpriv --pdeathsig`, so that even a SIGKILL of this process ends it. It has a process group of its own:
/// Ctrl-C reaches only this process, which stops its children in order.
public final class ChildProcess: Sendable {
    /// How a process ended.
    public enum Exit: Sendable, Equatable {
        case code(Int32)
        case signal(Int32)
    }

    private struct State {
        var exit: Exit?
        var waiters: [CheckedContinuation<Exit, Never>] = []
    }

    /// The name that log lines and errors use.
    public let name: String
    /// The process id; it may be another process's after this one ended.
    public let processID: Int32
    private let state = LockedBox(State())

    /// Starts a program. Its output goes to `log`, in append mode.
    ///
    /// `user` is the account to run as, when this process is root.
    public static func start(
        name: String, program: String, arguments: [String], environment: [String: String], log: String,
        user: String? = nil
    ) async throws(DevClusterError) -> ChildProcess {
        var command = ["setpriv", "--pdeathsig", "TERM"]
        if let user, getuid() == 0 {
            command += ["--reuid=\(user)", "--regid=\(user)", "--clear-groups"]
        }
        command += [program] + arguments
        let launch = Launch(
            name: name, command: command, environment: environment.map { "\($0.key)=\($0.value)" }, log: log)
        return try await withCheckedContinuation { launch.begin($0) }.get()
    }

    fileprivate init(name: String, processID: Int32) {
        self.name = name
        self.processID = processID
    }

    /// Whether it still runs.
    public var isRunning: Bool { state.withLock { $0.exit == nil } }

    /// Sends a signal, unless the process has ended.
    public func signal(_ number: Int32) {
        guard isRunning else { return }
        kill(processID, number)
    }

    /// Waits until it has ended.
    public func wait() async -> Exit {
        await withCheckedContinuation { continuation in
            let exit = state.withLock { state in
                if state.exit == nil { state.waiters.append(continuation) }
                return state.exit
            }
            if let exit { continuation.resume(returning: exit) }
        }
    }

    /// Asks it to end, by SIGTERM unless told otherwise, and kills it when it has not ended within the time.
    @discardableResult
    public func stop(_ number: Int32? = nil, within limit: Duration = .seconds(30)) async -> Exit {
        signal(number ?? SIGTERM)
        return await withTaskGroup(of: Exit?.self) { group in
            group.addTask { await self.wait() }
            group.addTask {
                do { try await ContinuousClock().sleep(for: limit) } catch { return nil }
                self.signal(SIGKILL)
                return nil
            }
            for await exit in group {
                guard let exit else { continue }
                group.cancelAll()
                return exit
            }
            return await self.wait()
        }
    }

    /// Blocks until the child has ended.
    fileprivate func reap() {
        var status: Int32 = 0
        while waitpid(processID, &status, 0) < 0 && errno == EINTR {}
        // The macros WIFEXITED and WTERMSIG are not imported.
        let exit: Exit = status & 0x7F == 0 ? .code((status >> 8) & 0xFF) : .signal(status & 0x7F)
        let waiters = state.withLock { state in
            state.exit = exit
            let waiters = state.waiters
            state.waiters = []
            return waiters
        }
        for waiter in waiters { waiter.resume(returning: exit) }
    }
}

/// Starts a child on a thread that lives as long as the child.
///
/// A parent-death signal is sent when the *thread* that made the child ends (prctl(2), PR_SET_PDEATHSIG), and the threads of the
/// cooperative pool end when they have been idle.
private final class Launch: Sendable {
    private let name: String
    private let command: [String]
    private let environment: [String]
    private let log: String
    private let continuation =
        LockedBox<CheckedContinuation<Result<ChildProcess, DevClusterError>, Never>?>(nil)

    init(name: String, command: [String], environment: [String], log: String) {
        self.name = name
        self.command = command
        self.environment = environment
        self.log = log
    }

    func begin(_ continuation: CheckedContinuation<Result<ChildProcess, DevClusterError>, Never>) {
        self.continuation.withLock { $0 = continuation }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let status = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Launch>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context)
        guard status == 0 else {
            Unmanaged<Launch>.fromOpaque(context).release()
            answer(.failure(DevClusterError("no thread to start \(name): errno \(status)")))
            return
        }
        pthread_detach(thread)
    }

    private func run() {
        do throws(DevClusterError) {
            let child = ChildProcess(name: name, processID: try spawn())
            answer(.success(child))
            child.reap()
        } catch {
            answer(.failure(error))
        }
    }

    private func answer(_ result: Result<ChildProcess, DevClusterError>) {
        let waiting = continuation.withLock { continuation in
            defer { continuation = nil }
            return continuation
        }
        waiting?.resume(returning: result)
    }

    private func spawn() throws(DevClusterError) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(
            &actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        posix_spawnattr_setflags(&attributes, Int16(flags))

        let arguments = command.map { strdup($0) } + [nil]
        let variables = environment.map { strdup($0) } + [nil]
        defer { for text in arguments + variables { free(text) } }
        var processID: Int32 = 0
        let status = posix_spawnp(&processID, command[0], &actions, &attributes, arguments, variables)
        guard status == 0 else {
            throw DevClusterError(
                "cannot start \(name) (\(command[0])): \(String(cString: strerror(status)))")
        }
        return processID
    }
}

/// A dev cluster that cannot be started, and why.
public struct DevClusterError: Error, CustomStringConvertible {
    /// What could not be started or stopped, and why.
    public let message: String

    /// An error with a message for the person at the terminal.
    public init(_ message: String) {
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
