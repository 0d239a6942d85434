package xhtml

import (
	"slices"
	"strconv"
	"strings"
)

// maxStyle bounds the length of a style, in bytes; a longer one is left out.
const maxStyle = 1024

// properties are those that XEP-0071, section 7.6.1, recommends. The functions
// return a value in its usual form, "" if it is not one: nothing is passed on
// that is not understood.
var properties = map[string]func(string) string{
	"background-color": cleanColor,
	"color":            cleanColor,
	"font-family":      cleanFamily,
	"font-size":        cleanFontSize,
	"font-style":       oneOf("normal", "italic", "oblique"),
	"font-weight": oneOf("normal", "bold", "bolder", "lighter",
		"100", "200", "300", "400", "500", "600", "700", "800", "900"),
	"margin-left":     cleanMargin,
	"margin-right":    cleanMargin,
	"text-align":      oneOf("left", "right", "center", "justify"),
	"text-decoration": cleanDecoration,
}

// cleanStyle reads the value of a style attribute. scale is that of the text
// around; relative sizes change it.
func cleanStyle(s string, scale *float64) (style []Property) {
	if len(s) > maxStyle {
		return nil
	}
	for decl := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(decl, ":")
		p, ok := cleanProperty(name, value)
		if !ok {
			continue
		}
		style = slices.DeleteFunc(style, func(q Property) bool { return q.Name == p.Name })
		style = append(style, p) // the last one counts
	}
	i := slices.IndexFunc(style, func(p Property) bool { return p.Name == "font-size" })
	if i < 0 {
		return style
	}
	if next := *scale * relative(style[i].Value); next <= maxScale {
		*scale = next
		return style
	}
	style = slices.Delete(style, i, i+1)
	if len(style) == 0 {
		return nil
	}
	return style
}

func cleanProperty(name, value string) (Property, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	clean := properties[name]
	if clean == nil {
		return Property{}, false
	}
	if name != "font-family" {
		value = strings.ToLower(value)
	}
	value = clean(strings.TrimSpace(value))
	return Property{name, value}, value != ""
}

func oneOf(values ...string) func(string) string {
	return func(s string) string {
		if slices.Contains(values, s) {
			return s
		}
		return ""
	}
}

// cleanColor accepts a name, #rgb, #rrggbb and rgb(r, g, b).
func cleanColor(s string) string {
	if hex, ok := strings.CutPrefix(s, "#"); ok {
		if (len(hex) == 3 || len(hex) == 6) && strings.Trim(hex, "0123456789abcdef") == "" {
			return s
		}
		return ""
	}
	if args, ok := strings.CutPrefix(s, "rgb("); ok {
		return cleanRGB(args)
	}
	if len(s) >= 3 && len(s) <= 24 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == "" {
		return s
	}
	return ""
}

func cleanRGB(args string) string {
	args, ok := strings.CutSuffix(args, ")")
	parts := strings.Split(args, ",")
	if !ok || len(parts) != 3 {
		return ""
	}
	for i, p := range parts {
		digits, percent := strings.CutSuffix(strings.TrimSpace(p), "%")
		n, err := strconv.ParseUint(digits, 10, 8)
		if err != nil || percent && n > 100 {
			return ""
		}
		parts[i] = strconv.FormatUint(n, 10)
		if percent {
			parts[i] += "%"
		}
	}
	return "rgb(" + strings.Join(parts, ", ") + ")"
}

// maxFamilies bounds how many fonts can be named.
const maxFamilies = 8

// cleanFamily accepts names of letters, digits, hyphens and spaces, and quotes
// those that are not generic ones.
func cleanFamily(s string) string {
	names := strings.Split(s, ",")
	if len(names) > maxFamilies {
		return ""
	}
	generic := oneOf("serif", "sans-serif", "cursive", "fantasy", "monospace")
	for i, n := range names {
		n = strings.TrimSpace(n)
		if len(n) >= 2 && (n[0] == '\'' || n[0] == '"') && n[len(n)-1] == n[0] {
			n = strings.TrimSpace(n[1 : len(n)-1])
		}
		if len(n) > 40 || !isWord(n, " -") {
			return ""
		}
		if names[i] = "'" + n + "'"; generic(strings.ToLower(n)) != "" {
			names[i] = strings.ToLower(n)
		}
	}
	return strings.Join(names, ", ")
}

func cleanDecoration(s string) string {
	words := strings.Fields(s)
	for _, w := range words {
		if w != "underline" && w != "overline" && w != "line-through" && (w != "none" || len(words) > 1) {
			return ""
		}
	}
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(words))), " ")
}

// Bounds of lengths, so that no message gets in the way of others.
const (
	maxFontPixels    = 72
	maxMarginPixels  = 200
	maxMarginPercent = 50
	maxScale         = 4 // of relative sizes that multiply
)

// units gives the size of a unit in pixels, roughly where it is relative.
var units = map[string]float64{
	"px": 1, "pt": 4.0 / 3, "pc": 16, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4,
	"em": 16, "ex": 8, "%": 16.0 / 100,
}

func cleanFontSize(s string) string {
	switch s {
	case "xx-small", "x-small", "small", "medium", "large", "x-large", "xx-large", "smaller", "larger":
		return s
	}
	return cleanLength(s, maxFontPixels)
}

// cleanMargin accepts lengths that are not negative: others would push a text
// over the one beside it.
func cleanMargin(s string) string {
	if v, unit, _ := splitLength(s); unit == "%" && v > maxMarginPercent {
		return ""
	}
	return cleanLength(s, maxMarginPixels)
}

func cleanLength(s string, maxPixels float64) string {
	if s == "0" {
		return s
	}
	v, unit, ok := splitLength(s)
	if !ok || v*units[unit] > maxPixels {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64) + unit
}

// splitLength reads a number with at most three digits behind the point, and a
// unit.
func splitLength(s string) (v float64, unit string, ok bool) {
	i := strings.LastIndexAny(s, "0123456789.") + 1
	number, unit := s[:i], s[i:]
	whole, frac, _ := strings.Cut(number, ".")
	digits := whole + frac
	if units[unit] == 0 || len(whole) > 4 || len(frac) > 3 || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, "", false
	}
	v, err := strconv.ParseFloat(number, 64)
	return v, unit, err == nil
}

// relative returns by what a font size, which is clean, multiplies that of the
// text around. Absolute sizes count as none, for they are bounded by themselves.
func relative(size string) float64 {
	if size == "larger" {
		return 1.2
	}
	switch v, unit, _ := splitLength(size); unit {
	case "em":
		return max(1, v)
	case "ex":
		return max(1, v/2)
	case "%":
		return max(1, v/100)
	}
	return 1
}
