// SPDX-License-Identifier: Apache-2.0

/// Bars of the last 24 hours, as inline SVG. Words are beside it: they keep their size however wide the page is.
enum Chart {
    private static let width = 720
    private static let height = 100

    /// Two values an hour, one above the other; the second one is what went wrong.
    static func bars(_ title: String, _ hours: [(label: String, value: Int64, failed: Int64)]) -> HTML {
        let top = max(1, hours.map { $0.value + $0.failed }.max() ?? 1)
        let step = width / max(1, hours.count)
        let bars: [HTML] = hours.enumerated().map { index, hour in
            let scale = { (value: Int64) in
                value == 0 ? 0 : max(1, Int(Double(value) / Double(top) * Double(height)))
            }
            let (good, bad) = (scale(hour.value), scale(hour.failed))
            return """
                <g><title>\(hour.label): \(hour.value)\(hour.failed > 0 ? ", \(hour.failed) failed" : "")</title>
                <rect class="bar" x="\(index * step + 2)" y="\(height - good)" width="\(step - 4)" height="\(good)"/>
                <rect class="fail" x="\(index * step + 2)" y="\(height - good - bad)" width="\(step - 4)" height="\(bad)"/></g>

                """
        }
        let total = hours.reduce(0) { $0 + $1.value + $1.failed }
        let failed = hours.reduce(0) { $0 + $1.failed }
        let parts = failed > 0 ? ", \(failed) failed" : ""
        let most = total > 0 ? "; at most \(top) in an hour" : ""
        let words = "\(title) in the last 24 hours: \(total)\(parts)\(most)"
        guard total > 0 else { return "<p class=\"card\">\(words)</p>" }
        return """
            <figure class="card"><figcaption>\(words)</figcaption>
            <svg class="chart" viewBox="0 0 \(width) \(height)" preserveAspectRatio="none" role="img" aria-label="\(words)">
            \(bars)</svg>
            <div class="axis"><span>\(hours.first?.label ?? "")</span><span>\(hours.last?.label ?? "")</span></div></figure>
            """
    }

    static func runs(_ hours: [PageModels.Hour]) -> HTML {
        bars("Runs", hours.map { (label($0.hour), $0.succeeded, $0.failed) })
    }

    static func changes(_ hours: [PageModels.Hour]) -> HTML {
        bars("Changed records", hours.map { (label($0.hour), $0.changed, 0) })
    }

    /// `14:00` of a time.
    private static func label(_ time: String) -> String {
        String(time.dropFirst(11).prefix(5))
    }
}
