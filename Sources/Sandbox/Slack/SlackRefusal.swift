// SPDX-License-Identifier: Apache-2.0

/// A refusal as Slack writes it: with status 200, except for limits.
struct SlackRefusal: Error {
    let error: String
    var status = 200
    /// Members beside `ok` and `error`, as JSON text.
    var details = ""
    var retryAfter: Int?

    init(_ error: String) {
        self.error = error
    }

    static func rateLimited(seconds: Int) -> SlackRefusal {
        var refusal = SlackRefusal("ratelimited")
        refusal.status = 429
        refusal.retryAfter = seconds
        return refusal
    }

    static func missingScope(needed: String, provided: [String]) -> SlackRefusal {
        var refusal = SlackRefusal("missing_scope")
        refusal.details =
            #","needed":"\#(needed)","provided":\#(JSONText.quoted(provided.joined(separator: ",")))"#
        return refusal
    }

    static func invalidArgument(_ message: String) -> SlackRefusal {
        var refusal = SlackRefusal("invalid_arguments")
        refusal.details = #","response_metadata":{"messages":[\#(JSONText.quoted("[ERROR] " + message))]}"#
        return refusal
    }

    /// The error that Slack sends with a status, for faults.
    static func fault(_ status: Int, _ error: String?) -> SlackRefusal {
        var refusal = SlackRefusal(error ?? (status == 429 ? "ratelimited" : "internal_error"))
        refusal.status = status
        return refusal
    }

    var response: SandboxResponse {
        var response = SandboxResponse(
            status: status, json: #"{"ok":false,"error":\#(JSONText.quoted(error))\#(details)}"#)
        if let retryAfter { response.headers.append(("Retry-After", "\(retryAfter)")) }
        return response
    }
}
