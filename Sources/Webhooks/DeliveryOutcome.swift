// SPDX-License-Identifier: Apache-2.0

public import HTTPTransport
public import Model

/// What came of an attempt to deliver a message.
public enum DeliveryOutcome: Sendable, Equatable {
    /// The receiver has it.
    case delivered
    /// The receiver wants no more (status 410).
    case gone
    /// It may be tried again, not before that wait. The reason names the status or the network's trouble, never a path, a secret
    /// or the answer's content.
    case failed(reason: String, notBefore: Duration?)

    /// Attempts of a delivery, and the waits between them: some three hours in all.
    public static let policy = RetryPolicy(maxAttempts: 16, base: .seconds(5), cap: .seconds(3_600))
    /// What an operator reads of a receiver that answered 410.
    public static let goneReason = "the receiver wants no more (status 410)"
    /// A receiver may ask for a pause, and not for more than this.
    static let longestWait: Duration = .seconds(3_600)

    /// Judges an answer: any 2xx means that the receiver has it.
    public init(_ response: HTTPResponse) {
        switch response.status {
        case 200...299: self = .delivered
        case 410: self = .gone
        default:
            self = .failed(
                reason: "status \(response.status)",
                notBefore: Self.wait(response.headers.first("Retry-After")))
        }
    }

    /// Judges a request that got no complete answer.
    public init(_ error: HTTPError) {
        self = .failed(reason: "\(error.code): \(error.message)", notBefore: nil)
    }

    /// Seconds; a date is not worth a second clock.
    private static func wait(_ text: String?) -> Duration? {
        guard let text, let seconds = Int64(text), seconds > 0 else { return nil }
        return min(.seconds(seconds), longestWait)
    }
}

extension HTTPClient {
    /// Sends a message and judges what came of it.
    public func deliver(_ request: HTTPRequest) async -> DeliveryOutcome {
        do throws(HTTPError) {
            return DeliveryOutcome(try await send(request))
        } catch {
            return DeliveryOutcome(error)
        }
    }
}
