// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model

/// What a user sees who connects an account.
struct ConnectPages: Sendable {
    let frame: PageFrame

    /// The form of a service whose accounts are connected with a key.
    func form(
        service: String, title: String, fields: [AccountField], link: String, check: String,
        problem: String? = nil
    ) -> GatewayResponse {
        let inputs: [HTML] = fields.enumerated().map { index, field in
            let type = field.isSecret ? "password" : "text"
            let focus: HTML = index == 0 ? " autofocus" : ""
            return """
                <label>\(Self.label(field.name))
                <input type="\(type)" name="field.\(field.name)" required maxlength="4096" autocomplete="off" spellcheck="false"\(focus)></label>

                """
        }
        let complaint: HTML? = problem.map { "<p class=\"bad\" role=\"alert\">\($0)</p>" }
        return frame.page(
            problem == nil ? 200 : 422, title: "Connect \(title)",
            """
            <div class="card narrow">
            <h1>Connect \(.name(title))</h1>
            <p>What you enter is sealed before it is stored, and used to read your data from \(.name(title)) only.</p>
            \(complaint)
            <form method="post" action="\(frame.root)/connect/\(PercentEncoding.encoded(service))">
            <input type="hidden" name="link" value="\(link)">
            <input type="hidden" name="check" value="\(check)">
            \(inputs)
            <button class="main">Connect</button>
            </form>
            </div>
            """)
    }

    /// The account is connected; `isQueued` says whether its first sync is on its way.
    func connected(title: String, isQueued: Bool) -> GatewayResponse {
        let next: HTML =
            isQueued ? "Your data is being read now." : "Your data will be read within the next minutes."
        return frame.page(
            title: "\(title) is connected",
            """
            <div class="card narrow">
            <h1><span class="state good">\(.name(title)) is connected</span></h1>
            <p>\(next) You can close this page.</p>
            </div>
            """)
    }

    /// `api_key` as a person reads it.
    static func label(_ name: String) -> String {
        let words = name.split { $0 == "_" || $0 == "-" }.map {
            $0 == "api" ? "API" : $0 == "id" ? "ID" : String($0)
        }
        let text = words.joined(separator: " ")
        return text.prefix(1).uppercased() + text.dropFirst()
    }
}
