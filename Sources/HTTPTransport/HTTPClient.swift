// SPDX-License-Identifier: Apache-2.0

public import Logging
public import ServiceLifecycle

/// An HTTP client on libcurl: HTTP/1.1, HTTP/2 over TLS, connections kept and shared by all requests.
///
/// It works from `init` on; `run` only ties its end to that of the process. All network work is on one thread
/// of its own, and none on the threads of tasks.
public final class HTTPClient: Service, Sendable {
    private let loop: Result<TransferLoop, HTTPError>
    private let logger: Logger

    /// Starts the client's thread. If that fails, `run` and every `send` throw the reason.
    public init(configuration: HTTPClientConfiguration, logger: Logger) {
        loop = Result { () throws(HTTPError) in try TransferLoop(configuration) }
        self.logger = logger
    }

    deinit {
        if case .success(let loop) = loop { loop.stop() }
    }

    /// Returns when a graceful shutdown begins and all connections are closed. Requests still under way then
    /// fail with `closed`: services that send requests shut down first.
    public func run() async throws {
        let loop = try loop.get()
        do {
            try await gracefulShutdown()
        } catch {
            await loop.close()
            throw error
        }
        await loop.close()
    }

    /// Sends a request and returns its complete response, whatever the status; redirects are not followed.
    ///
    /// Cancelling the task gives the transfer up at once, and the call throws `cancelled`.
    public func send(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
        let loop = try loop.get()
        let prepared = try PreparedRequest(request)
        guard !Task.isCancelled else {
            throw HTTPError(.cancelled, "the task was cancelled before the request")
        }
        let id = loop.makeID()
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                loop.submit(Submission(id: id, request: prepared, continuation: continuation))
                // The handler may have run before there was anything to cancel.
                if Task.isCancelled { loop.cancel(id) }
            }
        } onCancel: {
            loop.cancel(id)
        }
        if case .failure(let error) = outcome { log(error, to: prepared.target) }
        return try outcome.get()
    }

    private func log(_ error: HTTPError, to target: RequestTarget) {
        // A refused address needs an operator: either the connector is wrong, or the list of exceptions is.
        logger.log(
            level: error.code == .addressRefused ? .warning : .debug, "http request failed",
            metadata: [
                "http.origin": "\(target.origin)", "error.code": "\(error.code)",
                "error.message": "\(error.message)",
            ])
    }
}
